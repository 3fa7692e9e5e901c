"""The dead letters for scripts: the pages' buttons in JSON. A request that changes something has to be JSON too."""

from typing import Final

from domains.errors import UsageError
from web.flower import desk
from web.flower.handler import Answer

LETTER: Final = r"/api/dead-letters/([0-9]{1,18})"


class Letters(Answer):
    """GET /api/dead-letters?task=&class=&state=&tenant=&since=&until=&text=&fingerprint=&before=."""

    async def get(self) -> None:
        """Answer the failures by fingerprint and the letters."""
        asked = {name: value for name in desk.FILTERS if (value := self.get_query_argument(name, ""))}
        before = desk.number(self.get_query_argument("before", ""))
        board = await self.run(self.application.desk.board, asked, before)
        self.write(desk.plain({"groups": board.groups, "letters": board.rows, "next": board.next}))


class Letter(Answer):
    """GET /api/dead-letters/N."""

    async def get(self, number: str) -> None:
        """Answer the letter with its payload, traceback, manifest step and history."""
        self.write(desk.plain(await self.run(self.application.desk.letter, int(number))))


class Act(Answer):
    """POST /api/dead-letters/N/replay and …/discard."""

    async def post(self, number: str, verb: str) -> None:
        """Replay ({"payload": …} is written first) or discard, and answer the letter as it is then."""
        office, letter, user, body = self.application.desk, int(number), self.current_user, self.body()
        match verb, body:
            case "replay", {"payload": given, **rest} if not rest:
                await self.run(office.edit, letter, given, user)
            case "replay", {} if not body:
                await self.run(office.replay, letter, user)
            case "discard", {} if not body:
                await self.run(office.discard, letter, user)
            case _:
                raise UsageError(
                    f"{verb} does not take this body", remedy='send {}, or {"payload": {…}} to replay'
                )
        self.write(desk.plain(await self.run(office.letter, letter)))


class Bulk(Answer):
    """POST /api/dead-letters/bulk {"filter": {…}, "rate": 60, "dry_run": false}: a dry run unless told otherwise."""

    async def post(self) -> None:
        """Answer what is replayed; without "dry_run": false, what would be. "payload" is written into each first."""
        match self.body():
            case {"filter": dict(asked), **rest} if rest.keys() <= {"rate", "dry_run", "payload"}:
                given, rate = desk.checked(asked), desk.rate(rest.get("rate", desk.RATE))
            case _:
                raise UsageError(
                    "bulk takes a filter", remedy='send {"filter": {"fingerprint": "…"}, "dry_run": false}'
                )
        dry_run = rest.get("dry_run", True) is not False
        plan = await self.run(
            self.application.desk.bulk,
            given,
            rate,
            self.current_user,
            dry_run=dry_run,
            edit=rest.get("payload"),
        )
        self.write(desk.plain({"dry_run": dry_run, "plan": plan}))


ROUTES: Final = (
    (r"/api/dead-letters", Letters),
    (r"/api/dead-letters/bulk", Bulk),
    (LETTER, Letter),
    (LETTER + "/(replay|discard)", Act),
)
