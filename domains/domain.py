"""A domain as a value: what makes a digest, a trend card or an answer its own, handed to the one loop."""

from dataclasses import dataclass
from typing import Final

from domains import answer, limits, verify


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a domain may read and try. ``correct_below`` is a score in [0, 1].

    ``alone``: a story that is told alone may be read from so many documents; 0 leaves that to the plan.
    """

    documents: int
    graph_depth: int
    corrections: int = limits.CORRECT_ATTEMPTS
    candidates: int = limits.RANK_CANDIDATES
    correct_below: float = limits.CORRECT_BELOW_SCORE
    alone: int = 0


@dataclass(frozen=True, slots=True)
class Gate:
    """When a result is held back: a verified score under ``hold_below``, or nothing left of what was planned."""

    hold_below: float


@dataclass(frozen=True, slots=True)
class Prompt:
    """An instruction to a model, by purpose and version. The extractive rung needs none."""

    purpose: str
    version: str
    text: str


@dataclass(frozen=True, slots=True)
class Domain:
    """What the loop is run with."""

    name: str
    limits: Limits
    checks: tuple[verify.Rule, ...]
    gate: Gate
    prompts: tuple[Prompt, ...] = ()


DIGEST: Final = Domain(
    name="digest",
    limits=Limits(documents=limits.DIGEST_DOCUMENTS, graph_depth=limits.DIGEST_GRAPH_DEPTH),
    checks=verify.RULES,
    gate=Gate(hold_below=0.3),
)

# An answer says little: what is left of it after the rules have cut is judged by its own support (`domains.answer`).
ANSWER: Final = Domain(
    name="answer",
    limits=Limits(documents=limits.DIGEST_DOCUMENTS, graph_depth=limits.DIGEST_GRAPH_DEPTH),
    checks=answer.RULES,
    gate=Gate(hold_below=0.0),
)

# One story, told from more of its publishers than a digest has room for.
TREND: Final = Domain(
    name="trend",
    limits=Limits(documents=limits.TREND_DOCUMENTS, graph_depth=limits.TREND_GRAPH_DEPTH, alone=12),
    checks=verify.RULES,
    gate=Gate(hold_below=0.3),
)
