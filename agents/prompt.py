"""Prompts are files: TOML front matter between two lines of +++, then a "# system" and a "# user" part.

    version = "2"                what usage rows name, and what the newest line of the changelog explains
    schema = "write.json"        the reply's JSON Schema 2020-12, in schemas/
    max_tokens = 4000            room for the reply
    budget_tokens = 500          room for the prompt's own words
    changelog = ["2: why", …]    newest first
    [variables]                  name = "plain" (our own words) or "data" (other people's, marked word by word)

Two tokens of the text are filled in: {{name}} for each variable, and {{mark}} for the request's mark.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Final, Literal

import msgspec

from domains.llm import Message, Schema
from domains.mark import mark
from domains.signal import tokens

Kind = Literal["plain", "data"]
_FRONT: Final = re.compile(
    r"\+\+\+\n(?P<front>.*?)\n\+\+\+\n+# system\n(?P<system>.*?)\n# user\n(?P<user>.*)", re.DOTALL
)
_SLOT: Final = re.compile(r"\{\{(\w+)\}\}")
_MARK: Final = "mark"
# What may stand in a prompt without a mark: our own words, which never need more than this.
_PLAIN: Final = re.compile(r"[A-Za-z0-9 ,.:;()\[\]/'\"\n-]*")


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of other people's text under a label of ours; the text is marked when it is rendered."""

    label: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Front:
    """A prompt's front matter."""

    version: str
    schema: str
    max_tokens: int
    budget_tokens: int
    changelog: tuple[str, ...]
    variables: dict[str, Kind]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as its file has it. ``sha256`` is of the file and of its schema: what usage rows are keyed by."""

    name: str
    front: Front
    system: str
    user: str
    schema: Schema
    sha256: str

    def render(
        self, plain: Mapping[str, str], data: Mapping[str, Sequence[Block]], token: str
    ) -> tuple[Message, Message]:
        """Return the messages. Raises ValueError when a variable is missing, unknown, or not what may stand unmarked."""
        given: dict[str, str] = {_MARK: token}
        for name, value in plain.items():
            given[name] = _own(value, f"{self.name}: {name}")
        for name, blocks in data.items():
            given[name] = "\n".join(_block(block, token) for block in blocks)
        kinds = dict.fromkeys(plain, "plain") | dict.fromkeys(data, "data")
        if kinds != dict(self.front.variables):
            raise ValueError(f"{self.name} wants {dict(self.front.variables)}, was given {kinds}")
        return Message("system", _filled(self.system, given)), Message("user", _filled(self.user, given))


def names() -> tuple[str, ...]:
    """Return the names of all prompts."""
    found = (one.name for one in files("agents").joinpath("prompts").iterdir())
    return tuple(sorted(name.removesuffix(".md") for name in found if name.endswith(".md")))


def load(name: str) -> Prompt:
    """Return the prompt of that name. Raises ValueError when its file is not one."""
    folder = files("agents").joinpath("prompts")
    text = folder.joinpath(f"{name}.md").read_text("utf-8")
    return parse(name, text, lambda schema: folder.joinpath("schemas", schema).read_text("utf-8"))


def parse(name: str, text: str, schema: Callable[[str], str]) -> Prompt:
    """Return the prompt that ``text`` is; ``schema`` returns a schema file's text. Raises ValueError."""
    parts = _FRONT.fullmatch(text)
    if parts is None:
        raise ValueError(f"{name}: no front matter between +++ and no '# system' and '# user' parts after it")
    try:
        front = msgspec.convert(tomllib.loads(parts["front"]), Front)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"{name}: front matter: {error}") from error
    body = schema(front.schema)
    digest = sha256(f"{text}\0{body}".encode()).hexdigest()
    shape = Schema(front.schema.removesuffix(".json"), body)
    return Prompt(name, front, parts["system"].strip(), parts["user"].strip(), shape, digest)


def problems(prompt: Prompt) -> Iterator[str]:
    """Yield what is wrong with a prompt, for `make prompts`."""
    front, used = prompt.front, set(_SLOT.findall(prompt.system + prompt.user)) - {_MARK}
    yield from (f"undeclared variable {name}" for name in sorted(used - set(front.variables)))
    yield from (f"unused variable {name}" for name in sorted(set(front.variables) - used))
    yield from (f"no variable is called {name}" for name in front.variables if name == _MARK)
    data = {name for name, kind in front.variables.items() if kind == "data"}
    yield from (
        f"data in the system part: {name}" for name in sorted(data & set(_SLOT.findall(prompt.system)))
    )
    if data and _MARK not in _SLOT.findall(prompt.system):
        yield "shows data, but the system part does not say how it is marked"
    own = tokens(_SLOT.sub("", prompt.system + prompt.user))
    if own > front.budget_tokens:
        yield f"has up to {own} tokens of its own, of at most {front.budget_tokens}"
    if front.max_tokens < 1:
        yield "leaves no room for a reply"
    if not front.changelog or not front.changelog[0].startswith(f"{front.version}: "):
        yield f"its changelog does not begin with version {front.version}"


def _filled(text: str, given: Mapping[str, str]) -> str:
    """Fill the slots in one pass: a value that looks like a slot is not filled in again."""
    return _SLOT.sub(lambda slot: given[slot[1]], text)


def _block(block: Block, token: str) -> str:
    label = _own(block.label, "a label")
    return f"{label}\n{mark(block.text, token)}" if block.text else label


def _own(text: str, what: str) -> str:
    if not _PLAIN.fullmatch(text):
        raise ValueError(f"{what} holds what only marked text may hold")
    return text
