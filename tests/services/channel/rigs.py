"""Every channel with the world behind it, as one kind of thing, so that one test can hold all to what they promise."""

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO

from defusedxml.ElementTree import fromstring
from pydantic import SecretStr

from domains.ports import Parted
from services.address import Guard, resolve
from services.channel.apprised import AppriseChannel
from services.channel.atom import AtomChannel
from services.channel.file import FileChannel
from services.channel.http import Poster
from services.channel.letter import Letterhead
from services.channel.mail import MailChannel
from services.channel.site import PageChannel
from services.channel.stdout import StdoutChannel
from services.channel.telegram import TelegramChannel
from services.channel.webhook import WebhookChannel
from services.clock import StoppedClock
from tests import bot_api, receiver
from tests.bot_api import TOKEN, BotApi, Chat
from tests.mailbox import Mailbox
from tests.receiver import Receiver

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PRIVATE = Guard(resolve, allow_private=True)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DEADLINE_S = 5.0


@dataclass
class Rig:
    """A channel, a target it takes, and the far side.

    ``taken()`` lists what arrived; ``away()`` makes the next try certainly fail for now, ``never()`` for good,
    ``silent()`` lets it arrive without an answer. None where a channel cannot fail so.
    """

    channel: object
    target: str
    taken: object
    away: object = None
    never: object = None
    silent: object = None
    wrong: str = "../x"

    def send(self, parcel):
        """Send a parcel as a courier would: part by part, each part that has not been confirmed yet."""
        if isinstance(self.channel, Parted):
            return [
                self.channel.send_part(parcel, self.target, part)
                for part in self.channel.parts(parcel, self.target)
            ]
        return [self.channel.send(parcel, self.target)]


def files_below(root):
    return sorted(
        (path.name, path.read_bytes())
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    )


@contextmanager
def file(tmp_path):
    in_the_way = tmp_path / "digests" / "here"
    yield Rig(
        FileChannel(tmp_path / "digests"),
        "here",
        lambda: files_below(tmp_path / "digests"),
        lambda: _block(in_the_way),
    )


class Kept(StringIO):
    """A stream that can be read after it was closed."""

    text = ""

    def write(self, text):
        self.text += text
        return super().write(text)


@contextmanager
def stdout(tmp_path):
    stream = Kept()
    yield Rig(StdoutChannel(stream), "-", lambda: [stream.text] if stream.text else [], stream.close)


@contextmanager
def atom(tmp_path):
    root = tmp_path / "digests"

    def entries():
        return [
            one.findtext("{*}id")
            for path in root.rglob("*.atom")
            for one in fromstring(path.read_bytes()).findall("{*}entry")
        ]

    yield Rig(AtomChannel(root), "here", entries, lambda: _block(root / "feeds" / "here"))


@contextmanager
def page(tmp_path):
    root = tmp_path / "digests"
    yield Rig(PageChannel(root), "here", lambda: files_below(root), lambda: _block(root / "pages" / "here"))


def _block(path):
    """Put a file where a folder has to be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text("in the way")


@contextmanager
def telegram(tmp_path):
    with BotApi() as api:
        api.chats[42] = Chat()
        yield Rig(
            TelegramChannel(SecretStr(TOKEN), api.url, Poster(PRIVATE, DEADLINE_S)), "42", api.taken,
            lambda: api.next(bot_api.down),
            lambda: api.chats.update({42: bot_api.blocked()}),
            lambda: api.next(bot_api.cut),
            wrong="not a chat",
        )  # fmt: skip


@contextmanager
def mail(tmp_path):
    with Mailbox() as box:
        channel = MailChannel(
            SecretStr(f"smtp+plain://127.0.0.1:{box.port}"), Letterhead("Svodka <digest@svodka.example>"),
            StoppedClock(NOW), DEADLINE_S, 60,
        )  # fmt: skip
        yield Rig(
            channel, "anna@example.org", lambda: [str(message["Message-ID"]) for _, _, message in box.letters],
            lambda: box.refusals.update({"anna@example.org": "450 4.2.1 busy"}),
            lambda: box.refusals.update({"anna@example.org": "550 5.1.1 No such user"}),
            lambda: setattr(box, "cut_after_data", 1),
            wrong="anna@",
        )  # fmt: skip


@contextmanager
def webhook(tmp_path):
    with Receiver(SECRET, NOW.timestamp) as there:
        channel = WebhookChannel(
            SecretStr(SECRET), Poster(PRIVATE, DEADLINE_S), StoppedClock(NOW), "Svodka/test"
        )
        yield Rig(
            channel, f"{there.url}/hook", lambda: list(there.taken), lambda: there.next(receiver.status(503)),
            lambda: there.next(receiver.status(404)), lambda: there.next(receiver.cut), wrong="ftp://x/y",
        )  # fmt: skip


@contextmanager
def apprise(tmp_path):
    with Receiver() as there:
        yield Rig(
            AppriseChannel(PRIVATE), there.url.replace("http", "json") + "/hook", lambda: list(there.taken.values()),
            silent=lambda: there.next(receiver.cut), wrong="gnome://",
        )  # fmt: skip


RIGS = {one.__name__: one for one in (file, stdout, atom, page, telegram, mail, webhook, apprise)}
