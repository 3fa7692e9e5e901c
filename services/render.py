"""A digest in every form: one page of words, put into the markup of each.

Digest ─▶ page ─┬▶ html       self-contained: inline style, no script, no request
├▶ markdown   CommonMark
├▶ json       services/schemas/digest.schema.json
├▶ telegram   messages of the Bot API's HTML subset
└▶ terminal
"""

import base64
import hashlib
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from domains.digest import Digest
from domains.errors import UsageError
from domains.ports import Parcel
from services import document, phrase
from services.markdown import markdown
from services.message import messages
from services.page import Page, page
from services.terminal import terminal

TEMPLATES: Final = Path(__file__).parent / "templates"


class Renderer:
    """Puts digests into words and markup; ``locale`` is "en", "ru", "uk", or None for that of most shown posts."""

    def __init__(self, locale: str | None = None) -> None:
        if locale is not None and locale not in phrase.LOCALES:
            raise UsageError(
                f"no interface in the language {locale!r}", remedy=f"one of: {', '.join(phrase.LOCALES)}"
            )
        self._locale = locale
        environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._template = environment.get_template("digest.html")
        # Ours, not a stranger's: escaping it would break both the style and its hash in the policy.
        self._style = Markup((TEMPLATES / "digest.css").read_text(encoding="utf-8"))  # noqa: S704
        self._policy = _policy(self._style)

    def parcel(self, digest: Digest, *, key: str, run: int | str) -> Parcel:
        """Return the digest in every form a channel may want; the same bytes for the same digest in every process.

        Raises Refused when its JSON is not what its schema says.
        """
        made = page(digest, run=run, locale=self._locale)
        return Parcel(
            key=key,
            title=made.heading,
            html=self._html(made),
            markdown=markdown(made),
            json=document.encode(digest, made, run=run),
            telegram=messages(made),
            digest=digest,
        )

    def terminal(self, digest: Digest, *, width: int, colour: bool, run: int | str = "") -> str:
        """Return the digest for a terminal of ``width`` columns."""
        return terminal(page(digest, run=run, locale=self._locale), width=width, colour=colour)

    def _html(self, made: Page) -> str:
        return self._template.render(page=made, words=made.phrases, style=self._style, policy=self._policy)


def _policy(style: str) -> str:
    """Return the content security policy: nothing is loaded, nothing runs, only our own style applies."""
    sha256 = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{sha256}'; base-uri 'none'; form-action 'none'"
