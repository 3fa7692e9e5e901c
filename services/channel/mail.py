"""A digest by e-mail: one SMTP transaction a reader, so that one address that fails keeps nobody else from theirs.

The server has taken a letter when it answers the end of its data with 250. Without an answer there nobody knows.
"""

import smtplib
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.headerregistry import Address
from typing import Final
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from domains.errors import InDoubt, Refused, Unavailable, Unreachable
from domains.ports import Clock, Lane, Parcel, Receipt
from services.channel.letter import Letterhead, address, letter

PORTS: Final = {"smtp": 587, "smtps": 465, "smtp+plain": 25}
BURST: Final = 20
RECIPIENTS: Final = 50
_SET_URL: Final = (
    "set SVODKA_SMTP_URL, such as smtp://user:password@mail.example.org:587, and SVODKA_MAIL_FROM"
)


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server: smtp:// speaks STARTTLS and nothing less, smtps:// TLS from the start, smtp+plain:// neither."""

    scheme: str
    host: str
    port: int
    user: str
    password: SecretStr

    @classmethod
    def at(cls, url: SecretStr) -> "Server":
        """Return the server that a URL names. Raises Refused, never showing the URL."""
        try:
            parts = urlsplit(url.get_secret_value())
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in PORTS or not parts.hostname:
            raise Refused("SVODKA_SMTP_URL is no mail server's address", remedy=_SET_URL)
        password = SecretStr(unquote(parts.password or ""))
        return cls(
            parts.scheme, parts.hostname, port or PORTS[parts.scheme], unquote(parts.username or ""), password
        )


@dataclass(frozen=True, slots=True)
class MailChannel:
    """Sends digests by SMTP. A target is an address, or several with commas; each gets a letter of their own."""

    url: SecretStr | None
    head: Letterhead | None
    clock: Clock
    deadline_s: float
    per_minute: int
    tls: ssl.SSLContext | None = None
    name = "mail"
    idempotent = False
    ordered = False

    def check(self, target: str) -> None:
        """Raise Refused when no server is set up or ``target`` is no list of addresses."""
        self._server()
        self._head().check()
        readers = [address(one) for one in target.split(",")]
        if len(readers) > RECIPIENTS:
            raise Refused(f"more than {RECIPIENTS} readers in one subscription", remedy="use a mailing list")

    def lanes(self, target: str) -> tuple[Lane, ...]:  # noqa: ARG002  the port's
        """Return the server's limit, which the settings say."""
        return (Lane("mail", 60 / self.per_minute, BURST),)

    def parts(self, parcel: Parcel, target: str) -> tuple[str, ...]:  # noqa: ARG002  the port's
        """Return the readers."""
        return tuple(dict.fromkeys(one.strip() for one in target.split(",")))

    def send(self, parcel: Parcel, target: str) -> Receipt:
        """Send a letter to every reader; what is sent part by part is settled part by part."""
        receipts = [self.send_part(parcel, target, part) for part in self.parts(parcel, target)]
        where = tuple(place for one in receipts for place in one.where)
        return Receipt(where, ",".join(one.external_id or "" for one in receipts))

    def send_part(self, parcel: Parcel, target: str, part: str) -> Receipt:
        """Send one reader's letter. Raises as `Channel.send` does: the server's 4yz is Unavailable, its 5yz Refused."""
        self.check(target)
        head, reader = self._head(), address(part)
        message = letter(parcel, head, reader, self.clock.now())
        deadline = time.monotonic() + self.deadline_s
        with self._session() as smtp:
            self._envelope(smtp, head.sender.addr_spec, reader.addr_spec)
            if time.monotonic() > deadline:
                raise Unreachable(f"{self._where()}: too slow", remedy="it is tried again")
            self._data(smtp, message.as_bytes(), reader)
        return Receipt((f"mail:{reader.addr_spec}",), str(message["Message-ID"]))

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        """Yield a connection that is encrypted and logged in as the URL says."""
        server = self._server()
        try:
            smtp = self._connect(server)
        except (OSError, smtplib.SMTPException) as error:
            raise _failure(error, self._where(), "cannot connect", Unreachable) from error
        try:
            self._greet(smtp, server)
            yield smtp
            with suppress(smtplib.SMTPException, OSError):
                smtp.quit()
        finally:
            smtp.close()

    def _connect(self, server: Server) -> smtplib.SMTP:
        if server.scheme == "smtps":
            return smtplib.SMTP_SSL(
                server.host, server.port, timeout=self.deadline_s, context=self._context()
            )
        return smtplib.SMTP(server.host, server.port, timeout=self.deadline_s)

    def _greet(self, smtp: smtplib.SMTP, server: Server) -> None:
        try:
            smtp.ehlo_or_helo_if_needed()
            if server.scheme == "smtp":
                smtp.starttls(context=self._context())
            if server.user:
                smtp.login(server.user, server.password.get_secret_value())
        except smtplib.SMTPNotSupportedError as error:
            raise Refused(
                f"{self._where()}: does not speak STARTTLS, or takes no login",
                remedy="smtps:// encrypts from the start, smtp+plain:// not at all",
            ) from error
        except (OSError, smtplib.SMTPException) as error:
            raise _failure(error, self._where(), "does not let us in", Unreachable) from None

    def _envelope(self, smtp: smtplib.SMTP, sender: str, reader: str) -> None:
        for command, who in ((smtp.mail, sender), (smtp.rcpt, reader)):
            try:
                code, said = command(who)
            except (OSError, smtplib.SMTPException) as error:
                raise _failure(error, self._where(), "broke off", Unreachable) from error
            if not 200 <= code < 300:
                raise _refusal(code, said, f"{self._where()}: does not take mail from {sender} to {reader}")

    def _data(self, smtp: smtplib.SMTP, body: bytes, reader: Address) -> None:
        try:
            code, said = smtp.data(body)
        except smtplib.SMTPDataError as error:
            # It did not even let us begin.
            code, said = error.smtp_code, _bytes(error.smtp_error)
        except (OSError, smtplib.SMTPException) as error:
            raise InDoubt(
                f"{self._where()}: no answer, after the letter to {reader.addr_spec} was sent",
                remedy="ask the reader, or look into the mail server's log",
            ) from error
        if not 200 <= code < 300:
            raise _refusal(code, said, f"{self._where()}: does not take the letter to {reader.addr_spec}")

    def _context(self) -> ssl.SSLContext:
        return self.tls or ssl.create_default_context()

    def _where(self) -> str:
        server = self._server()
        return f"{server.host}:{server.port}"

    def _server(self) -> Server:
        self._head()
        if self.url is None:
            raise Refused("the channel mail is not set up here", remedy=_SET_URL)
        return Server.at(self.url)

    def _head(self) -> Letterhead:
        if self.head is None:
            raise Refused("the channel mail is not set up here", remedy=_SET_URL)
        return self.head


def _failure(error: Exception, where: str, what: str, otherwise: type[Unavailable]) -> Unavailable | Refused:
    """Return what a failure before the letter means: the server's own code decides, if it gave one."""
    if isinstance(error, smtplib.SMTPResponseException) and error.smtp_code > 0:
        return _refusal(error.smtp_code, _bytes(error.smtp_error), f"{where}: {what}")
    return otherwise(
        f"{where}: {what} ({type(error).__name__})", remedy="does the mail server run? it is tried again"
    )


def _refusal(code: int, said: bytes, what: str) -> Unavailable | Refused:
    text = f"{what}: {code} {said.decode('utf-8', 'replace')[:200]}"
    if code == 421:
        return Unreachable(text, remedy="it is tried again")
    if code < 500:
        return Unavailable(text, remedy="it is tried again")
    if code in {530, 534, 535, 538}:
        return Refused(text, remedy="see the user and password in SVODKA_SMTP_URL")
    return Refused(text, remedy="is the address right? the mail server says why")


def _bytes(said: bytes | str) -> bytes:
    return said if isinstance(said, bytes) else said.encode()
