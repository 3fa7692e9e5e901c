"""A digest as a letter: text and HTML side by side, pictures inside, and ways to be rid of it (RFC 2369, RFC 8058)."""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final
from urllib.parse import quote, urlencode

from pydantic import SecretStr

from domains.errors import Refused
from domains.ports import Parcel

_PICTURE: Final = re.compile(r'(?<=\ssrc=")data:image/(png|jpeg|gif|webp);base64,([A-Za-z0-9+/=\s]+)(?=")')
_DOMAIN: Final = re.compile(
    r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
)
_LOCAL: Final = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Letterhead:
    """Who writes, and where readers end it: a page that takes a POST, signed with ``secret``; without one, a letter."""

    mail_from: str
    unsubscribe_url: str = ""
    secret: SecretStr | None = None

    @property
    def sender(self) -> Address:
        """Who letters are from. Raises Refused when that is not set as it should be."""
        name, bracket, rest = self.mail_from.strip().rpartition("<")
        try:
            bare = address(rest.removesuffix(">") if bracket else self.mail_from)
        except Refused as error:
            raise Refused(
                "SVODKA_MAIL_FROM is no mail address",
                remedy="set it to digest@example.org, or Name <address>",
            ) from error
        return Address(display_name=name.strip().strip('"'), addr_spec=bare.addr_spec)

    def check(self) -> None:
        """Raise Refused when letters cannot be written as the settings are."""
        _ = self.sender
        if self.unsubscribe_url and self.secret is None:
            raise Refused(
                "links that end a subscription cannot be signed", remedy="set SVODKA_UNSUBSCRIBE_SECRET"
            )


def address(text: str) -> Address:
    """Return a mail address, its domain in ASCII. Raises Refused."""
    local, at, domain = text.strip().rpartition("@")
    try:
        host = domain.encode("idna").decode("ascii").lower() if at else ""
    except UnicodeError:
        host = ""
    if not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(host):
        raise Refused(f"{text.strip()[:100]!r} is no mail address", remedy="mail:name@example.org")
    return Address(username=local, domain=host)


def letter(parcel: Parcel, head: Letterhead, reader: Address, now: datetime) -> EmailMessage:
    """Return the letter. Its Message-ID is the same at every try, so that a mailbox may know a second one by it."""
    made = EmailMessage(policy=SMTP)
    made["From"], made["To"], made["Subject"], made["Date"] = head.sender, reader, parcel.title, now
    made["Message-ID"] = message_id(parcel.key, head, reader)
    made["List-Id"] = f"<{parcel.series or 'digest'}.svodka.{head.sender.domain}>"
    for name, value in _ways_out(parcel, head, reader).items():
        made[name] = value
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(parcel.markdown, cte="quoted-printable")  # lines may be longer than SMTP allows
    html, pictures = _apart(parcel.html, head.sender.domain)
    made.add_alternative(html, subtype="html", cte="quoted-printable")
    for cid, kind, body in pictures:
        # The second of the alternatives: with the pictures it shows, it becomes multipart/related.
        made.get_payload()[1].add_related(body, "image", kind, cid=cid, disposition="inline")  # type: ignore[index,union-attr]  # a multipart's payload is a list of messages
    return made


def message_id(key: str, head: Letterhead, reader: Address) -> str:
    """Return the Message-ID of a delivery's letter to one reader."""
    mark = hashlib.sha256(reader.addr_spec.encode()).hexdigest()[:16]
    return f"<{key}.{mark}@{head.sender.domain}>"


def unsubscribe_token(secret: SecretStr, series: str, reader: str) -> str:
    """Return what proves that a request to end ``series`` comes out of a letter to ``reader``."""
    said = f"unsubscribe\n{series}\n{reader}".encode()
    return hmac.new(secret.get_secret_value().encode(), said, hashlib.sha256).hexdigest()[:32]


def _ways_out(parcel: Parcel, head: Letterhead, reader: Address) -> dict[str, str]:
    subject = quote(f"unsubscribe {parcel.series}")
    by_mail = f"<mailto:{head.sender.addr_spec}?subject={subject}>"
    if not head.unsubscribe_url or head.secret is None:
        return {"List-Unsubscribe": by_mail}
    token = unsubscribe_token(head.secret, parcel.series, reader.addr_spec)
    asked = urlencode({"series": parcel.series, "to": reader.addr_spec, "token": token})
    link = f"{head.unsubscribe_url}{'&' if '?' in head.unsubscribe_url else '?'}{asked}"
    return {
        "List-Unsubscribe": f"<{link}>, {by_mail}",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def _apart(html: str, domain: str) -> tuple[str, list[tuple[str, str, bytes]]]:
    """Return the HTML with its pictures named, and them: mail programs show no data: addresses."""
    pictures: dict[str, tuple[str, str, bytes]] = {}

    def named(match: re.Match[str]) -> str:
        try:
            body = base64.b64decode("".join(match[2].split()), validate=True)
        except binascii.Error:
            return match[0]
        name = f"{hashlib.sha256(body).hexdigest()[:24]}@{domain}"
        pictures[name] = (f"<{name}>", match[1], body)
        return f"cid:{name}"

    return _PICTURE.sub(named, html), list(pictures.values())
