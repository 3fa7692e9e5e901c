"""What routes have in common: numbers and limits in addresses, and what is answered besides JSON."""

from typing import Annotated, Any, Final

from fastapi import Path, Query

from web.api import feed

Number = Annotated[int, Path(ge=1, le=2**53 - 1)]
Limit = Annotated[int, Query(ge=1, le=200)]
FEED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "An Atom feed", "content": {feed.MEDIA: {"schema": {"type": "string"}}}}
}
PAGE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "A page without scripts", "content": {"text/html": {"schema": {"type": "string"}}}}
}
