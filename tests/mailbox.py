"""A loopback mail server (aiosmtpd): real SMTP, with STARTTLS and logins, and readers that it will not have.

with Mailbox() as box:
    box.refusals["gone@example.org"] = "550 5.1.1 No such user"
"""

import email
from email.policy import default

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

USER, PASSWORD = "svodka", "hunter2-hunter2"


class Server(SMTP):
    """aiosmtpd's server, which can also break off at the end of a letter."""

    async def smtp_DATA(self, arg):  # noqa: N802  aiosmtpd's
        owner = self.event_handler
        if owner.before_data:
            await self.push(owner.before_data)
            return
        await super().smtp_DATA(arg)


class AnyPort(Controller):
    """aiosmtpd's controller, which by itself knows no way to take whichever port is free."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


class Mailbox:
    """The server and its handler. ``letters`` are what it took: (sender, readers, message)."""

    def __init__(self, *, tls=None, login=False, hide_starttls=False):
        self.letters, self.refusals, self.cut_after_data = [], {}, 0
        self.before_data = self.after_data = None
        self.sessions = 0
        options = {
            "tls_context": None if hide_starttls else tls,
            "require_starttls": tls is not None and not hide_starttls,
        }
        if login:
            options |= {
                "authenticator": self._authenticate,
                "auth_required": True,
                "auth_require_tls": tls is not None,
            }
        self._controller = AnyPort(self, hostname="127.0.0.1", port=0, ready_timeout=20)
        self._controller.factory = lambda: Server(self, hostname="mail.test", **options)

    @property
    def port(self):
        return self._controller.port

    def _authenticate(self, server, session, envelope, mechanism, data):
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (
            USER.encode(),
            PASSWORD.encode(),
        )
        return AuthResult(success=good, handled=False)

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802  aiosmtpd's
        if said := self.refusals.get(address):
            return said
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802  aiosmtpd's
        if self.after_data:
            return self.after_data
        message = email.message_from_bytes(envelope.content, policy=default)
        self.letters.append((envelope.mail_from, list(envelope.rcpt_tos), message))
        if self.cut_after_data:
            self.cut_after_data -= 1
            server.transport.abort()
            return "250 nobody hears this"
        return "250 OK"

    def __enter__(self):
        self._controller.start()
        return self

    def __exit__(self, *_):
        self._controller.stop(no_assert=True)
