"""The pages of the dead letters, inside Flower and in its look: forms and links only, so a keyboard is enough."""

from typing import Any, Final

from tornado.web import url

from web.flower.handler import Page


class Letters(Page):
    """The letters that are open."""

    async def get(self) -> None:
        """Show them."""
        rows = await self.run(self.application.desk.listing)
        self.render("letters.html", rows=rows)


ROUTES: Final[tuple[Any, ...]] = (url(r"/dead-letters", Letters, name="letters"),)
