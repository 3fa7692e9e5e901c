"""The dead letters for scripts: the pages' buttons in JSON. A request that changes something has to be JSON too."""

from typing import Final

from domains.errors import UsageError
from web.flower import desk
from web.flower.handler import Answer

LETTER: Final = r"/api/dead-letters/([0-9]{1,18})"


class Letters(Answer):
    """GET /api/dead-letters?task=&class=&state=&text=&fingerprint=."""

    async def get(self) -> None:
        """Answer the failures by fingerprint and the letters."""
        asked = {name: value for name in desk.FILTERS if (value := self.get_query_argument(name, ""))}
        board = await self.run(self.application.desk.board, asked)
        self.write(desk.plain({"groups": board.groups, "letters": board.rows}))


class Letter(Answer):
    """GET /api/dead-letters/N."""

    async def get(self, number: str) -> None:
        """Answer the letter with its payload, traceback, manifest step and history."""
        self.write(desk.plain(await self.run(self.application.desk.letter, int(number))))


class Act(Answer):
    """POST /api/dead-letters/N/replay and …/discard."""

    async def post(self, number: str, verb: str) -> None:
        """Replay or discard, and answer the letter as it is then."""
        office, letter, user, body = self.application.desk, int(number), self.current_user, self.body()
        match verb, body:
            case "replay", {} if not body:
                await self.run(office.replay, letter, user)
            case "discard", {} if not body:
                await self.run(office.discard, letter, user)
            case _:
                raise UsageError(f"{verb} does not take this body", remedy="send {}")
        self.write(desk.plain(await self.run(office.letter, letter)))


ROUTES: Final = (
    (r"/api/dead-letters", Letters),
    (LETTER, Letter),
    (LETTER + "/(replay|discard)", Act),
)
