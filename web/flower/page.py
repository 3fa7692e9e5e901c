"""The pages of the dead letters, inside Flower and in its look: forms and links only, so a keyboard is enough.

/dead-letters ─▶ failures by fingerprint, letters ─▶ /dead-letters/N ─▶ replay, edit and replay, discard
      └────────▶ /dead-letters/bulk: a dry run first ─▶ replay all
"""

import json
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from tornado.web import url

from domains.errors import Refused, UsageError
from web.flower import desk, gate
from web.flower.handler import Page

SAID: Final = "said"
TONES: Final = {
    "transient": "warning", "permanent": "danger", "poison": "danger", "budget": "info", "bug": "danger",
    "pending": "warning", "scheduled": "warning", "replaying": "primary", "leased": "primary", "resolved": "success",
    "discarded": "secondary",
}  # fmt: skip
WAITS: Final = (
    "It is under way already, or waits for an earlier one of its subscription; then it goes by itself."
)
UNSEEN: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
FIELDS: Final = (
    ("tenant", "Tenant", "name"),
    ("since", "Since (UTC)", "2026-11-21 08:00"),
    ("until", "Until (UTC)", "2026-11-22"),
    ("fingerprint", "Fingerprint", "16 hex digits"),
    ("text", "Text", "words of the message"),
)


class LetterPage(Page):
    """What these pages share: how times and states are shown, and what was said by the page before."""

    def prepare(self) -> None:
        """Take what the page before left to be said. The cookie is signed: nobody else can put words on this page."""
        kept = self.get_secure_cookie(SAID, max_age_days=1) if self.request.method == "GET" else None
        self.said = json.loads(kept) if kept else None
        if kept:
            self.clear_cookie(SAID)

    def leave(self, where: str, tone: str, text: str) -> None:
        """Go to another page, which says ``text``; a reload of that page does nothing again."""
        self.set_secure_cookie(SAID, json.dumps({"tone": tone, "text": text}), expires_days=None)
        self.redirect(where, status=303)

    def filter(self) -> dict[str, str]:
        """Return the filter that the address names."""
        return {name: value for name in desk.FILTERS if (value := self.get_query_argument(name, "")).strip()}

    def show(self, template: str, **values: Any) -> None:
        """Show a page."""
        self.render(template, tone=tone, moment=moment, visible=visible, pretty=desk.pretty, **values)


class Letters(LetterPage):
    """The failures that wait for somebody, by fingerprint, and the letters of one."""

    async def get(self) -> None:
        """Show them."""
        asked = self.filter()
        before = desk.number(self.get_query_argument("before", ""))
        board = await self.run(self.application.desk.board, asked, before)
        older = urlencode(asked | {"before": board.next}) if board.next else ""
        self.show(
            "letters.html", board=board, form=asked, fields=FIELDS, choices=desk.CHOICES, query=urlencode(asked),
            earlier=urlencode(asked) if before else "", later=older,
            narrowed=lambda key: urlencode(asked | {"fingerprint": key}),
        )  # fmt: skip


class Letter(LetterPage):
    """One letter: what failed, where and why, and what can be done about it."""

    async def get(self, number: str) -> None:
        """Show it."""
        await self.display(int(number))

    async def display(self, number: int, payload: str | None = None, wrong: str | None = None) -> None:
        """Show the letter; ``payload`` and what is ``wrong`` with it when it was edited in vain."""
        letter = await self.run(self.application.desk.letter, number)
        shown = payload if payload is not None else desk.pretty(letter["payload"])
        schema = desk.pretty(letter["schema"]) if letter["schema"] else None
        self.show(
            "letter.html", letter=letter, facts=facts(letter), payload=shown, wrong=wrong, schema=schema
        )


class Act(Letter):
    """The buttons of one letter."""

    async def post(self, number: str, verb: str) -> None:
        """Do it and go back to the letter, which says what was done."""
        letter, user = int(number), self.current_user
        office, home = self.application.desk, self.reverse_url("letter", number)
        if verb == "edit":
            await self.edit(letter, self.get_body_argument("payload", "", strip=False))
        elif verb == "replay":
            done = await self.run(office.replay, letter, user)
            said = WAITS if not done else "Replayed: a worker is told."
            self.leave(home, "success" if done else "info", said)
        else:
            await self.run(office.discard, letter, user)
            self.leave(home, "secondary", "Discarded: it is not tried again unless somebody replays it.")

    async def edit(self, number: int, text: str) -> None:
        """Replay with another payload, or show what is wrong with it and lose nothing of what was written."""
        try:
            done = await self.run(self.application.desk.edit, number, gate.parsed(text), self.current_user)
        except (UsageError, Refused) as error:
            self.set_status(422)
            await self.display(number, text, str(error))
        else:
            said = "Replayed with the payload that you wrote." if done else WAITS
            self.leave(self.reverse_url("letter", str(number)), "success" if done else "info", said)


class Bulk(LetterPage):
    """Replay of all letters that a filter finds: first told, then done."""

    async def get(self) -> None:
        """Show what would be replayed, and what it would cost. Nothing is done."""
        asked, rate = self.filter(), desk.rate(self.get_query_argument("rate", str(desk.RATE)))
        plan = await self.run(self.application.desk.bulk, asked, rate, self.current_user, dry_run=True)
        self.show(
            "letter_bulk.html", plan=plan, asked=asked, query=urlencode(asked), rate=rate, most=int(desk.MOST), price=price
        )  # fmt: skip

    async def post(self) -> None:
        """Replay them, at most so many a minute."""
        asked, rate = self.filter(), desk.rate(self.get_body_argument("rate", ""))
        plan = await self.run(self.application.desk.bulk, asked, rate, self.current_user, dry_run=False)
        where = f"{self.reverse_url('letters')}?{urlencode(asked)}"
        self.leave(where, "success", f"{plan['letters']} letters are replayed, {rate:g} a minute.")


def facts(letter: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a letter's page tells first, by name."""
    return [
        ("Work", f"{letter['task']} {letter['row']}"),
        ("Tenant", str(letter["tenant"])),
        ("Error", letter["error"]),
        ("Where", letter["place"]),
        ("Attempts", str(letter["attempt"])),
        ("First failed", moment(letter["created_at"])),
        ("Last failed", moment(letter["failed_at"])),
        ("Next try", moment(letter["next_at"])),
    ]


def visible(text: str) -> str:
    """Return hostile text with what would turn or hide the text around it written out, such as U+202E."""
    return "".join(
        one if unicodedata.category(one) not in UNSEEN or one in "\n\t" else f"[U+{ord(one):04X}]"
        for one in text
    )


def price(cost: Mapping[str, int]) -> str:
    """Return an estimate in words: what is known, and of how many letters nothing is."""
    if not cost["known"] and not cost["unknown"]:
        return "none: no model is asked"
    said = []
    if cost["known"]:
        money = cost["micros"] / 1_000_000
        said.append(f"about {cost['tokens']:,} tokens and {money:,.2f} in money for {cost['known']} letters")
    if cost["unknown"]:
        said.append(f"nothing is known of {cost['unknown']} letters")
    if cost["unpriced"]:
        said.append(f"{cost['unpriced']} have no known price")
    return "; ".join(said)


def tone(word: str) -> str:
    """Return the colour of a state's or a class's badge."""
    return TONES.get(word, "secondary")


def moment(at: datetime | str | None) -> str:
    """Return a time, or its ISO 8601, as it is shown, in UTC."""
    at = datetime.fromisoformat(at).astimezone(UTC) if isinstance(at, str) else at
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "–"


ROUTES: Final[tuple[Any, ...]] = (
    url(r"/dead-letters", Letters, name="letters"),
    url(r"/dead-letters/bulk", Bulk, name="letters-bulk"),
    url(r"/dead-letters/([0-9]{1,18})", Letter, name="letter"),
    url(r"/dead-letters/([0-9]{1,18})/(replay|edit|discard)", Act, name="letter-act"),
)
