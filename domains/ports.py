"""What the rooms above need from the world, as Protocols, and `Deps`, the bundle agents are handed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar, runtime_checkable

from domains.digest import Digest, Rung
from domains.llm import Gateway
from domains.post import Span
from domains.retrieval import Filters, Found, Query

T = TypeVar("T")


class Clock(Protocol):
    """The time. Product code never calls ``datetime.now`` itself."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        ...


class Language(Protocol):
    """What is known about words: offline, deterministic, the same in every process."""

    def detect(self, text: str) -> str:
        """Return the ISO 639-1 code of ``text``, or "und" when it holds too few letters to tell."""
        ...

    def lemma(self, word: str, lang: str) -> str:
        """Return the dictionary form of a lower-case ``word``, or the word itself when it is unknown."""
        ...

    def sentences(self, text: str, lang: str) -> tuple[Span, ...]:
        """Return the spans of the sentences of ``text``, ascending, without surrounding white space.

        A line break always ends a sentence.
        """
        ...


class Journal(Protocol):
    """A run's checkpoints: a step that has been journalled is never computed again."""

    def step(self, name: str, kind: type[T], compute: Callable[[], T]) -> T:
        """Return the recorded result of ``name``, or compute it, record it durably and return it.

        A step that raises records nothing, so a retry computes it afresh.
        """
        ...


@dataclass(frozen=True, slots=True)
class Parcel:
    """A digest rendered for one delivery: every form a channel may want, and a key that is unique to it.

    ``series`` names the subscription for good, as a plain file name: what feeds and pages gather digests by.
    """

    key: str
    title: str
    html: str
    markdown: str
    json: bytes
    telegram: tuple[str, ...]
    digest: Digest
    series: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a channel says of a parcel it took: where it went, in words, and its own id if it gave one."""

    where: tuple[str, ...]
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """A limit on how fast something is used: ``burst`` at once, then one each ``interval_s``; 0 is no limit.

    ``key`` names it the same in every process.
    """

    key: str
    interval_s: float = 0.0
    burst: int = 1


class Channel(Protocol):
    """A way to hand over a digest.

    ``idempotent`` channels may be sent the same parcel twice with the effect of once (they use ``Parcel.key``); for
    the others a crash between sending and settling leaves the delivery unknown.
    """

    name: str
    idempotent: bool

    def check(self, target: str) -> None:
        """Raise Refused when ``target`` can never be sent to; says nothing of whether it can be reached now."""
        ...

    def send(self, parcel: Parcel, target: str) -> Receipt:
        """Hand over ``parcel`` to ``target``.

        Raises Unavailable when it certainly was not taken but may be later (Unreachable when the other end itself is
        away), Refused when it never will be; InDoubt or anything else leaves it unknown whether it was taken.
        """
        ...


@runtime_checkable
class Paced(Protocol):
    """A channel with limits on how fast it may be used."""

    def lanes(self, target: str) -> tuple[Lane, ...]:
        """Return the limits that a message to ``target`` falls under: first the server's, last the target's own."""
        ...


@runtime_checkable
class Parted(Protocol):
    """A channel that needs several messages for a parcel; each is confirmed by itself.

    ``ordered`` messages follow each other: what comes after one that fails waits for it. Others are independent.
    """

    ordered: bool

    def parts(self, parcel: Parcel, target: str) -> tuple[str, ...]:
        """Return what is sent one by one; it is kept, so that a retry goes on with the very same."""
        ...

    def send_part(self, parcel: Parcel, target: str, part: str) -> Receipt:
        """Hand over one of the parts. Raises as `Channel.send` does."""
        ...


class Search(Protocol):
    """Finds the posts that may answer a question."""

    def search(self, query: Query) -> Found:
        """Return posts of the query's tenant, best first; a store that is down is named in ``missing``."""
        ...


class Expander(Protocol):
    """Finds posts that a graph connects with others."""

    def expand(
        self, tenant_id: int, post_ids: Sequence[int], filters: Filters, depth: int, limit: int
    ) -> Sequence[tuple[int, float]]:
        """Return at most ``limit`` connected posts of the tenant and a positive weight of each, best first.

        Those of ``post_ids`` may be among them. Raises Unavailable when the graph does not answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """What a run may still spend on models, in tokens (None: no budget is kept), and whether much hangs on it."""

    tokens_left: int | None = None
    important: bool = False


@dataclass(frozen=True, slots=True)
class Deps:
    """What agents are given: never a socket, never a file.

    Without a ``gateway`` everything is written extractively. With one, ``randomness`` returns 16 fresh, unguessable
    bytes: the marks of what is shown to a model are drawn from them.
    """

    language: Language
    journal: Journal
    rungs: Sequence[Rung] = ("extractive",)
    gateway: Gateway | None = None
    randomness: Callable[[], bytes] | None = None
    standing: Standing = Standing()


class Cache(Protocol):
    """Where a model's answers are remembered. A cache that is down remembers nothing; it never raises."""

    def get(self, key: str) -> bytes | None:
        """Return what was put under ``key`` and has not expired."""
        ...

    def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Remember ``value`` for ``ttl_s`` seconds."""
        ...
