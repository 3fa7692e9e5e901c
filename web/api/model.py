"""What goes in and comes out, as the OpenAPI shows it."""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from domains.answer import QUESTION_CHARS, Path
from domains.retrieval import Filters

NAME: Final = r"^[A-Za-z0-9_.:-]{1,64}$"
# Times outside of these are the same as no bound; PostgreSQL and Python agree on all within.
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2200, 1, 1, tzinfo=UTC)


def _text_only(value: object) -> object:
    if value is not None and not isinstance(value, str):
        raise ValueError("must be text")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_text_only), Field(strict=False)]
Lang = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
SourceName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")]


class FilterBody(BaseModel):
    """Which posts may answer."""

    model_config = ConfigDict(extra="forbid", strict=True)
    sources: list[SourceName] = Field(default=[], max_length=50, description="Names of sources; empty: all")
    langs: list[Lang] = Field(default=[], max_length=20, description="ISO 639-1 codes; empty: all")
    since: Moment | None = Field(default=None, description="Only posts from this time on")
    until: Moment | None = Field(default=None, description="Only posts before this time")

    def value(self) -> Filters:
        """Return the filters as retrieval takes them."""
        return Filters(tuple(self.sources), tuple(self.langs), _bounded(self.since), _bounded(self.until))


class QuestionBody(BaseModel):
    """A question."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"question": "How much is the bus fare?", "path": "auto"}]},
    )
    question: str = Field(min_length=1, max_length=QUESTION_CHARS)
    tenant: str | None = Field(
        default=None, pattern=NAME, description="The key's own tenant; anything else is refused"
    )
    filters: FilterBody = FilterBody()
    path: Path = Field(default="auto", description="auto begins fast and is lifted to smart when that fails")
    session: str | None = Field(
        default=None,
        pattern=NAME,
        description="Under this name follow-ups find what was asked before, for 30 min",
    )


class WindowBody(BaseModel):
    """A half-open interval of event time."""

    start: datetime
    end: datetime


class DigestLine(BaseModel):
    """A digest in a list."""

    id: int
    subscription: str
    window: WindowBody
    ended_at: datetime | None
    decision: str | None
    rung: str | None
    score: float | None


class TrendLine(BaseModel):
    """A trend in a list, as it last stood."""

    id: int
    title: str
    state: Literal["emerging", "rising", "peaking", "fading", "over"]
    since: datetime
    at: datetime
    posts: int
    publishers: int
    p_value: float
    chance: str


class TrendPointBody(BaseModel):
    """A trend at one moment; ``settled`` is false while the hour is not over."""

    at: datetime
    state: str
    posts: int
    settled: bool


class TrendPost(BaseModel):
    """A post of a trend."""

    post: str
    source: str
    family: str
    at: datetime
    title: str
    url: str | None


class TrendQuote(BaseModel):
    """Where a sentence of a card comes from: ``post`` is its public name."""

    post: str
    url: str | None
    quote: str


class TrendSentence(BaseModel):
    """A verified sentence of a card."""

    text: str
    citations: list[TrendQuote]


class TrendCardBody(BaseModel):
    """What a trend is about; ``days``: in how many days chance does as much once, null for never.

    ``course`` are posts by time, each count of ``step_s`` seconds from ``course_start`` on; ``spark`` is the same in
    block letters. ``publishers``, ``names`` and ``words`` are what rose together, ``related`` other trends.
    """

    title: TrendSentence
    text: list[TrendSentence]
    days: float | None
    course_start: datetime
    step_s: int
    course: list[int]
    spark: str
    publishers: list[str]
    names: list[str]
    words: list[str]
    related: list[int]


class TrendBody(TrendLine):
    """A trend with its course, its posts, and its card when it was written."""

    course: list[TrendPointBody]
    members: list[TrendPost]
    card: TrendCardBody | None = None


class Dependency(BaseModel):
    """A server that is needed; ``vital``: nothing is answered without it."""

    name: str
    ok: bool
    vital: bool


class Health(BaseModel):
    """Whether this process lives, and whether it can answer."""

    live: Literal[True] = True
    ready: bool
    dependencies: list[Dependency]


def _bounded(at: datetime | None) -> datetime | None:
    return None if at is None else _FIRST if at < _FIRST else min(at, _LAST)
