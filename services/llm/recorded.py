"""Models that answer from a run's transcripts: a replay needs no provider, no key and no budget, and differs in no byte."""

import threading
from collections import defaultdict, deque
from collections.abc import Iterable

from domains.digest import Rung
from domains.fault import TRAITS, Kind, ModelError, Usage
from domains.llm import Reply, Request, Transcript, fingerprint
from services.llm.tools import Step

ORDER: tuple[Rung, ...] = ("model", "cheaper_model")


class RecordedModel:
    """One model as it was: each request gets what it got then, attempt by attempt, failures included."""

    def __init__(self, first: Transcript, transcripts: Iterable[Transcript]) -> None:
        self._first = first
        self._lock = threading.Lock()
        self._waiting: defaultdict[str, deque[Transcript]] = defaultdict(deque)
        for one in transcripts:
            self._waiting[one.key].append(one)

    @property
    def provider(self) -> str:
        """The profile's name at the time."""
        return self._first.provider

    @property
    def model(self) -> str:
        """The model's name as it was asked for."""
        return self._first.model

    @property
    def dialect(self) -> str:
        """What else could change a reply at the time."""
        return self._first.dialect

    def complete(self, request: Request, timeout_s: float) -> Reply:
        """Return the next recorded reply to ``request``. Raises ModelError: the recorded one, or not_recorded."""
        key = fingerprint(request, self)
        with self._lock:
            waiting = self._waiting[key]
            one = waiting.popleft() if waiting else None
        if one is None:
            raise ModelError(
                f"{self.provider}: this question was not asked in the recorded run within {timeout_s:.0f} s",
                kind="not_recorded",
                remedy="a replay with changed settings needs the provider",
            )
        if one.outcome in {"ok", "hit"}:
            usage = one.usage or Usage()
            return Reply(one.text, one.answered_model, usage, one.body, cached=one.outcome == "hit")
        raise ModelError(
            one.message,
            kind=_kind(one.outcome),
            retry_after_s=one.retry_after_s,
            usage=one.usage,
            status=one.status,
        )


def steps(transcripts: Iterable[Transcript]) -> tuple[Step, ...]:
    """Return the ladder that ``transcripts`` were made on, as far as it was climbed."""
    grouped: defaultdict[tuple[Rung, str, str, str], list[Transcript]] = defaultdict(list)
    for one in transcripts:
        grouped[one.rung, one.provider, one.model, one.dialect].append(one)
    models = [(rung, RecordedModel(found[0], found)) for (rung, *_), found in grouped.items()]
    return tuple(Step(rung, model) for rung, model in sorted(models, key=lambda pair: ORDER.index(pair[0])))


def _kind(outcome: str) -> Kind:
    return next((kind for kind in TRAITS if kind == outcome), "not_recorded")
