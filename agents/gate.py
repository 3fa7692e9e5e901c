"""The gate: the last to see a digest. What is not verified does not pass, and nobody can talk it round."""

from dataclasses import dataclass
from typing import Literal

from agents import critic
from agents.critic import Verified
from domains import verify
from domains.digest import Draft, Rung, Verdict
from domains.domain import Domain
from domains.verify import Evidence

# "degraded" ships what a lower rung than hoped for wrote; "retry" holds what a model, once back, may yet write.
Decision = Literal["ship", "degraded", "retry", "hold"]


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the gate decided of which draft. ``removed`` are planned stories that did not pass."""

    decision: Decision
    why: str
    draft: Draft
    verdict: Verdict
    removed: tuple[int, ...]


def decide(
    best: Verified | None, held: Evidence, domain: Domain, hoped: Rung | None = None, *, outage: bool = False
) -> Ruling:
    """Return the ruling on the best candidate: unsupported sentences are cut, and what is left is verified anew.

    Held are: no candidate at all, a cut draft that still has findings, nothing left of what was planned, a score
    under the domain's gate. An empty draft for an empty plan is an honest quiet digest and ships.

    ``hoped`` is the rung that should have written it; after an ``outage`` of models that may heal, what would be held
    is to be tried again.
    """
    stop: Decision = "retry" if outage else "hold"
    planned = tuple(brief.story for brief in held.briefs)
    if best is None:
        return Ruling(
            stop, "there is no draft", Draft("none", "extractive", ()), Verdict(0.0, {}, ()), planned
        )
    draft = critic.cut(best.draft, best.verdict)
    verdict = verify.verify(draft, held, domain.checks)
    left = {story.story for story in draft.stories}
    removed = tuple(story for story in planned if story not in left)
    why = _objection(draft, verdict, planned, domain)
    if why:
        return Ruling(stop, why, draft, verdict, removed)
    sentences = sum(1 + len(story.sentences) for story in draft.stories)
    why = f"{len(draft.stories)} stories, {sentences} sentences, all verified, score {verdict.score:.3f}"
    if not planned:
        return Ruling("ship", "nothing was worth telling", draft, verdict, removed)
    if hoped is not None and draft.rung != hoped:
        return Ruling(
            "degraded", f"{why}; the lowest rung that wrote is {draft.rung}", draft, verdict, removed
        )
    return Ruling("ship", why, draft, verdict, removed)


def _objection(draft: Draft, verdict: Verdict, planned: tuple[int, ...], domain: Domain) -> str:
    if verdict.findings:
        first = verdict.findings[0]
        return f"after cutting, {first.path} still fails {first.check!r}: {first.why}"
    if planned and not draft.stories:
        return f"nothing verifiable is left of {len(planned)} planned stories"
    # Written so that a score that is no number holds.
    if not verdict.score >= domain.gate.hold_below:
        return f"score {verdict.score:.3f} is under the gate's {domain.gate.hold_below}"
    return ""
