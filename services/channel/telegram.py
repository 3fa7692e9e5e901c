"""A digest as messages of a Telegram bot, by the Bot API.

The token is part of every address, so no address is ever said. Telegram keeps no idempotency key: a message that may
have been taken is not sent again by itself.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from pydantic import SecretStr

from domains.errors import InDoubt, Refused, Unavailable, Unreachable
from domains.ports import Lane, Parcel, Receipt
from services.channel.http import Answer, Poster

# https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this: 30 messages a second over all,
# one a second in a chat, 20 a minute in a group. Ten at once and one each 6 s are at most 20 in any minute.
OVERALL: Final = Lane("telegram", 1 / 30)
CHAT_INTERVAL_S: Final = 1.0
GROUP_INTERVAL_S: Final = 6.0
GROUP_BURST: Final = 10
_CHAT: Final = re.compile(r"-?[1-9][0-9]{0,18}|@[A-Za-z]\w{3,31}", re.ASCII)
_TOKEN: Final = re.compile(r"[0-9]{5,}:[\w-]{10,}", re.ASCII)
_HOW: Final = "set SVODKA_TELEGRAM_TOKEN to what @BotFather gave you"
_REMEDIES: Final = (
    ("chat not found", "has its owner pressed Start, or added the bot? subscribe with the chat's number"),
    ("blocked by the user", "its owner blocked the bot; remove the subscription, or ask them"),
    ("kicked", "add the bot to the chat again, or remove the subscription"),
    ("not a member", "add the bot to the chat again, or remove the subscription"),
    ("deactivated", "the account is gone; remove the subscription"),
    ("not enough rights", "let the bot post in that chat"),
    ("can't parse entities", "this is a bug of Svodka's; please report the digest"),
    ("message is too long", "this is a bug of Svodka's; please report the digest"),
)


class _Parameters(msgspec.Struct):
    """What Telegram adds to an error."""

    retry_after: float | None = None
    migrate_to_chat_id: int | None = None


class _Reply(msgspec.Struct):
    """What the Bot API answers to every method."""

    ok: bool
    result: Any = None
    error_code: int = 0
    description: str = ""
    parameters: _Parameters = msgspec.field(default_factory=_Parameters)


@dataclass(frozen=True, slots=True)
class TelegramChannel:
    """Sends digests as a bot. A target is a chat's number, or @NAME of a public channel or group."""

    token: SecretStr | None
    api_url: str
    poster: Poster
    name = "telegram"
    idempotent = False
    ordered = True

    def check(self, target: str) -> None:
        """Raise Refused when no bot is set up or ``target`` is no chat."""
        self._secret()
        if not _CHAT.fullmatch(target):
            raise Refused(f"{target!r} is no Telegram chat", remedy="telegram:123456789, or telegram:@name")

    def lanes(self, target: str) -> tuple[Lane, ...]:
        """Return Telegram's limits: over all, and the chat's own."""
        group = target.startswith(("-", "@"))
        chat = (
            Lane(f"telegram:{target}", GROUP_INTERVAL_S, GROUP_BURST)
            if group
            else Lane(f"telegram:{target}", CHAT_INTERVAL_S)
        )
        return OVERALL, chat

    def parts(self, parcel: Parcel, target: str) -> tuple[str, ...]:  # noqa: ARG002  the port's
        """Return the messages, none longer than Telegram takes."""
        return parcel.telegram

    def send(self, parcel: Parcel, target: str) -> Receipt:
        """Send every message in turn; what is sent part by part is settled part by part."""
        receipts = [self.send_part(parcel, target, part) for part in self.parts(parcel, target)]
        return Receipt(receipts[0].where, ",".join(one.external_id or "" for one in receipts))

    def send_part(self, parcel: Parcel, target: str, part: str) -> Receipt:  # noqa: ARG002  the port's
        """Send one message; to a group's new number when it has moved. Raises as `Channel.send` does."""
        self.check(target)
        reply = self._call(target, part)
        moved = reply.parameters.migrate_to_chat_id
        if not reply.ok and moved is not None:
            reply = self._call(str(moved), part)
            target = f"{target} (moved to {moved})"
        if reply.ok:
            return Receipt((f"telegram:{target}",), _message_id(reply.result))
        raise self._failure(reply, target)

    def _call(self, chat: str, text: str) -> _Reply:
        asked = {
            "chat_id": chat if chat.startswith("@") else int(chat),
            "text": text,
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": True},
        }
        answer = self.poster.post(
            f"{self.api_url.rstrip('/')}/bot{self._secret()}/sendMessage",
            where="Telegram",
            headers={"content-type": "application/json", "accept": "application/json"},
            body=msgspec.json.encode(asked),
        )
        return _read(answer)

    def _failure(self, reply: _Reply, target: str) -> Unavailable | Refused:
        said = reply.description[:200].replace(self._secret(), "…")
        what = f"Telegram does not take messages to {target}: {reply.error_code} {said}"
        if reply.error_code == 429:
            wait_s = reply.parameters.retry_after
            return Unavailable(what, remedy="it is tried again when Telegram allows it", retry_after_s=wait_s)
        if reply.error_code >= 500:
            return Unreachable(what, remedy="it is tried again")
        if reply.error_code in {401, 404}:
            return Refused(f"Telegram does not know the bot: {reply.error_code} {said}", remedy=_HOW)
        remedies = (remedy for words, remedy in _REMEDIES if words in said.lower())
        return Refused(what, remedy=next(remedies, "see the Bot API's list of errors"))

    def _secret(self) -> str:
        secret = self.token.get_secret_value() if self.token else ""
        if not _TOKEN.fullmatch(secret):
            why = "is not set up here" if not secret else "has a token that cannot be one"
            raise Refused(f"the channel telegram {why}", remedy=_HOW)
        return secret


def _read(answer: Answer) -> _Reply:
    """Return the reply. Raises InDoubt when it is none of the Bot API's: a proxy on the way may have said it."""
    try:
        return msgspec.json.decode(answer.body, type=_Reply)
    except msgspec.MsgspecError as error:
        raise InDoubt(
            f"Telegram: answers {answer.status} with something that is not the Bot API's",
            remedy="look in the chat whether the message has arrived; is SVODKA_TELEGRAM_API_URL right?",
        ) from error


def _message_id(result: Any) -> str | None:
    number = result.get("message_id") if isinstance(result, dict) else None
    return None if number is None else str(number)
