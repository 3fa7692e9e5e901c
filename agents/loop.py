"""The one loop. Each step is journalled: one that stands in the journal is read, not computed again.

survey ─▶ plan ─▶ retrieve (judge, replan ≤ 1) ─▶ draft ─▶ verify ─▶ correct ≤ 1 ─▶ rank ≤ 2 ─▶ gate ─▶ Outcome
                                                    └─▶ write (with a gateway: quality, prose) ─┘

What models answered stands in the journal as "write.…" steps, so that a retry pays for nothing twice and a replay on
those steps needs no provider; the prose itself ("write") and all after it is computed from them.
"""

from dataclasses import dataclass, replace

from msgspec import UNSET, UnsetType

from agents import critic, gate, ledger, planner, prose, quality, ranker, retriever, sequel, writer
from agents.critic import Verified
from agents.gate import Decision, Ruling
from agents.interview import Interview
from agents.prose import Prose, Room
from agents.quality import Quality
from agents.retriever import Shelf, in_turn
from agents.writer import Desk
from domains import verify
from domains.digest import Briefing, Digest, Draft, Plan, Rung, Settings, Verdict, with_trends
from domains.domain import Domain
from domains.errors import GateClosed
from domains.llm import insist
from domains.persona import Reweighed
from domains.ports import Deps
from domains.survey import Survey, survey
from domains.taste import arranged, personalised, preferred
from domains.terms import Lexicon
from domains.verify import Evidence


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
    prose: Prose | UnsetType = UNSET

    @property
    def delivered(self) -> bool:
        """Whether there is something to deliver."""
        return self.decision in {"ship", "degraded"}

    def shipped(self) -> Digest:
        """Return the digest. Raises GateClosed when the gate holds it."""
        if not self.delivered:
            raise GateClosed(
                f"the digest of {self.digest.subscription!r} for {self.digest.window.start:%Y-%m-%d %H:%M} .. "
                f"{self.digest.window.end:%Y-%m-%d %H:%M} UTC is held: {self.why}",
                remedy="see its verdict with `svodka digest show RUN --manifest`",
            )
        return self.digest


def run(domain: Domain, briefing: Briefing, deps: Deps) -> Outcome:
    """Return what ``domain`` makes of ``briefing``; the same for the same briefing, whatever the order of its posts."""
    step = deps.journal.step
    lexicon = Lexicon(deps.language)
    settings = preferred(_bounded(briefing.settings, domain), briefing.persona)
    facts, taste = personalised(survey(briefing), briefing.persona, lexicon.terms, settings.max_stories)
    if taste.likings:
        # Recorded to be told (`svodka why`); a replay computes it again from the briefing.
        step("taste", Reweighed, lambda: taste)

    def planned() -> Plan:
        return _told(arranged(_widened(planner.plan(facts, settings), facts, domain), taste), briefing)

    first = step("plan", Plan, planned)
    read = step("retrieve", Retrieved, lambda: _retrieve(first, facts, settings, lexicon, taste))
    desk = Desk(read.plan, read.shelf, facts, lexicon)
    methods = writer.METHODS[: domain.limits.candidates]
    extracts = step(
        "draft", tuple[Draft, ...], lambda: tuple(writer.write(method, desk) for method in methods)
    )
    held = critic.evidence(desk, deps.language, briefing.precedents)
    written = None if briefing.quoted else _write(domain, deps, desk, extracts, held)
    drafts = (written.prose.draft, extracts[0]) if written and written.prose.draft else extracts
    drafts = tuple(sequel.developed(draft, facts, briefing.precedents) for draft in drafts)
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
    ranked = step("rank", tuple[Verified, ...], lambda: _rank(corrected, domain, written))
    hoped = written.hoped if written else None
    ruling = step("gate", Ruling, lambda: gate.decide(ranked[0] if ranked else None, held, domain, hoped))
    return Outcome(
        digest=_digest(briefing, facts, read, ruling),
        decision=ruling.decision,
        why=ruling.why,
        plan=read.plan,
        verdict=ruling.verdict,
        candidates=ranked,
        prose=written.prose if written else UNSET,
    )


@dataclass(frozen=True, slots=True)
class _Written:
    """What models wrote, whom to ask for an opinion on it, and the rung that should have written the digest."""

    prose: Prose
    interview: Interview
    hoped: Rung | None


def _write(
    domain: Domain, deps: Deps, desk: Desk, extracts: tuple[Draft, ...], held: Evidence
) -> _Written | None:
    """Return what models wrote, or None without a gateway.

    Raises ModelError when no model answered, the digest cannot be shipped without, and waiting may help: then nothing
    is recorded but what was answered, so that the next attempt goes on from there.
    """
    if deps.gateway is None:
        return None
    if deps.randomness is None:
        raise ValueError("a gateway without randomness: what a model is shown must be marked unguessably")
    drawn = deps.randomness
    chosen = deps.journal.step("write.0", Quality, lambda: quality.choose(desk, deps.standing, drawn))
    interview = Interview(deps.gateway, deps.journal, bytes.fromhex(chosen.randomness))

    def compose() -> Prose:
        room = Room(desk, extracts[0], held, domain, interview)
        made = prose.compose(room, chosen.path, chosen.why)
        made = replace(made, over_budget=made.over_budget or chosen.short)
        failure = interview.failure
        if made.draft is None and failure is not None and failure.retry_after_s is not None:
            found = [Verified(draft, verify.verify(draft, held, domain.checks)) for draft in extracts]
            best = ranker.rank([critic.correct(one, desk, held, domain) for one in found], 1)
            if gate.decide(best[0], held, domain, outage=True).decision == "retry":
                insist(failure)
        return made

    made = deps.journal.step("write", Prose, compose)
    return _Written(made, interview, "model" if desk.plan.stories else None)


def _rank(corrected: tuple[Verified, ...], domain: Domain, written: _Written | None) -> tuple[Verified, ...]:
    if written is None or written.prose.draft is None:
        return ranker.rank(corrected, domain.limits.candidates)
    asks = written.prose.path == "smart" and not written.prose.silent
    judge = critic.judge(written.interview) if asks else None
    return ranker.prefer(corrected[0], corrected[1], judge)


def _bounded(settings: Settings, domain: Domain) -> Settings:
    return replace(settings, max_documents=min(settings.max_documents, domain.limits.documents))


def _widened(plan: Plan, facts: Survey, domain: Domain) -> Plan:
    """Return ``plan`` with more documents for a story that has the whole domain to itself."""
    if not domain.limits.alone or len(plan.stories) != 1:
        return plan
    (only,) = plan.stories
    read = in_turn(facts.by_story[only.story].telling, domain.limits.alone)
    return replace(plan, stories=(replace(only, posts=tuple(post.id for post in read)),))


def _told(plan: Plan, briefing: Briefing) -> Plan:
    return replace(plan, reasons=(*plan.reasons, *briefing.lessons)) if briefing.lessons else plan


def _retrieve(
    first: Plan, facts: Survey, settings: Settings, lexicon: Lexicon, taste: Reweighed
) -> Retrieved:
    """Return what can be read under the plan, or under a second plan when reading showed that the first cannot be met."""
    shelf = retriever.gather(first, facts, settings, lexicon)
    plan = planner.judge(first, facts, shelf)
    twins = shelf.twins
    check = planner.failed(plan)
    if check is not None:
        second = arranged(planner.replan(facts, settings, plan, check, shelf), taste)
        shelf = retriever.gather(second, facts, settings, lexicon)
        plan = planner.judge(second, facts, shelf)
        twins = {**twins, **shelf.twins}
    settled, kept = planner.settle(plan, facts, shelf)
    return Retrieved(settled, kept, dict(sorted(twins.items())))


def _digest(briefing: Briefing, facts: Survey, read: Retrieved, ruling: Ruling) -> Digest:
    draft = ruling.draft if ruling.decision in {"ship", "degraded"} else replace(ruling.draft, stories=())
    stories = ledger.story_rows(draft, facts, briefing)
    shown = ledger.cited(draft)
    posts = tuple(post for post in facts.posts.values() if post.id in shown)
    made = Digest(
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
        former=ledger.former(draft, briefing) or UNSET,
    )
    return made if briefing.trends is UNSET else with_trends(made, briefing.trends)
