"""The one loop. Each step is journalled: one that stands in the journal is read, not computed again.

survey ─▶ plan ─▶ retrieve (judge, replan ≤ 1) ─▶ draft ─▶ verify ─▶ correct ≤ 1 ─▶ rank ≤ 2 ─▶ gate ─▶ Outcome
"""

from dataclasses import dataclass, replace

from agents import critic, gate, ledger, planner, ranker, retriever, writer
from agents.critic import Verified
from agents.gate import Decision, Ruling
from agents.retriever import Shelf
from agents.writer import Desk
from domains import verify
from domains.digest import Briefing, Digest, Draft, Plan, Settings, Verdict
from domains.domain import Domain
from domains.errors import GateClosed
from domains.ports import Deps
from domains.survey import Survey, survey
from domains.terms import Lexicon


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The plan as it stands after reading, and the shelf the writer works from. ``twins`` may include the first plan's."""

    plan: Plan
    shelf: Shelf
    twins: dict[int, int]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. A held digest tells nothing, yet accounts for every post of the window."""

    digest: Digest
    decision: Decision
    why: str
    plan: Plan
    verdict: Verdict
    candidates: tuple[Verified, ...]

    def shipped(self) -> Digest:
        """Return the digest. Raises GateClosed when the gate holds it."""
        if self.decision != "ship":
            raise GateClosed(
                f"the digest of {self.digest.subscription!r} for {self.digest.window.start:%Y-%m-%d %H:%M} .. "
                f"{self.digest.window.end:%Y-%m-%d %H:%M} UTC is held: {self.why}",
                remedy="see its verdict with `svodka digest show RUN --manifest`",
            )
        return self.digest


def run(domain: Domain, briefing: Briefing, deps: Deps) -> Outcome:
    """Return what ``domain`` makes of ``briefing``; the same for the same briefing, whatever the order of its posts."""
    step = deps.journal.step
    facts = survey(briefing)
    lexicon = Lexicon(deps.language)
    settings = _bounded(briefing.settings, domain)

    first = step("plan", Plan, lambda: planner.plan(facts, settings))
    read = step("retrieve", Retrieved, lambda: _retrieve(first, facts, settings, lexicon))
    desk = Desk(read.plan, read.shelf, facts, lexicon)
    methods = writer.METHODS[: domain.limits.candidates]
    drafts = step("draft", tuple[Draft, ...], lambda: tuple(writer.write(method, desk) for method in methods))
    held = critic.evidence(desk, deps.language)
    verdicts = step(
        "verify",
        tuple[Verdict, ...],
        lambda: tuple(verify.verify(draft, held, domain.checks) for draft in drafts),
    )
    verified = [Verified(draft, verdict) for draft, verdict in zip(drafts, verdicts, strict=True)]
    corrected = step(
        "correct",
        tuple[Verified, ...],
        lambda: tuple(critic.correct(found, desk, held, domain) for found in verified),
    )
    ranked = step("rank", tuple[Verified, ...], lambda: ranker.rank(corrected, domain.limits.candidates))
    ruling = step("gate", Ruling, lambda: gate.decide(ranked[0] if ranked else None, held, domain))
    return Outcome(
        digest=_digest(briefing, facts, read, ruling),
        decision=ruling.decision,
        why=ruling.why,
        plan=read.plan,
        verdict=ruling.verdict,
        candidates=ranked,
    )


def _bounded(settings: Settings, domain: Domain) -> Settings:
    return replace(settings, max_documents=min(settings.max_documents, domain.limits.documents))


def _retrieve(first: Plan, facts: Survey, settings: Settings, lexicon: Lexicon) -> Retrieved:
    """Return what can be read under the plan, or under a second plan when reading showed that the first cannot be met."""
    shelf = retriever.gather(first, facts, settings, lexicon)
    plan = planner.judge(first, facts, shelf)
    twins = shelf.twins
    check = planner.failed(plan)
    if check is not None:
        second = planner.replan(facts, settings, plan, check, shelf)
        shelf = retriever.gather(second, facts, settings, lexicon)
        plan = planner.judge(second, facts, shelf)
        twins = {**twins, **shelf.twins}
    settled, kept = planner.settle(plan, facts, shelf)
    return Retrieved(settled, kept, dict(sorted(twins.items())))


def _digest(briefing: Briefing, facts: Survey, read: Retrieved, ruling: Ruling) -> Digest:
    draft = ruling.draft if ruling.decision == "ship" else replace(ruling.draft, stories=())
    stories = ledger.story_rows(draft, facts, briefing.repeats)
    shown = ledger.cited(draft)
    posts = tuple(post for post in facts.posts.values() if post.id in shown)
    return Digest(
        window=briefing.window,
        zone=briefing.zone,
        subscription=briefing.subscription,
        sections=ledger.sections(stories, read.plan),
        stories=stories,
        shown=tuple(post.id for post in posts),
        drops=ledger.drops(read.plan, read.twins, draft, facts),
        rung=draft.rung,
        method=draft.method,
        score=ruling.verdict.score,
        posts=posts,
    )
