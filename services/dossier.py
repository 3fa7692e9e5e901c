"""What a run planned, weighed, checked and spent, read from its recorded steps: the telling half of its manifest.

Ids, counts, scores, hashes and our own words only; the posts and the drafts stay in their artifacts.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from domains.digest import Plan, Rung, Verdict
from domains.errors import NotFound
from domains.fault import UNSENT
from domains.persona import Persona
from services import run
from services.llm.table import Usage

T = TypeVar("T")
# What a manifest names one by one; the rest it counts.
FINDINGS: Final = 50
MICROS: Final = Decimal(1_000_000)


class _Brief(msgspec.Struct):
    persona: Persona | None = None
    lessons: tuple[str, ...] = ()


class _Retrieved(msgspec.Struct):
    plan: Plan


class _Told(msgspec.Struct):
    story: int
    sentences: tuple[msgspec.Raw, ...]


class _Draft(msgspec.Struct):
    method: str
    rung: Rung
    stories: tuple[_Told, ...]


class _Verified(msgspec.Struct):
    draft: _Draft
    verdict: Verdict
    corrected: bool | None = None
    why: str = ""


class _Quality(msgspec.Struct):
    path: str
    why: tuple[str, ...]


class _Prose(msgspec.Struct):
    fallen: dict[int, str] = {}
    withheld: dict[int, str] = {}
    corrected: bool | None = None
    prompts: tuple[str, ...] = ()


def dossier(session: Session, run_id: int) -> dict[str, Any]:
    """Return the manifest's fields on plan, persona, quality, checks, candidates, prompts and usage.

    What a run has not got to yet is None or empty.
    """
    ranked = _step(session, run_id, "rank", tuple[_Verified, ...]) or ()
    prose = _step(session, run_id, "write", _Prose)
    return {
        "plan": _plan(session, run_id),
        "persona": _persona(session, run_id),
        "quality": _quality(session, run_id, prose),
        "checks": _checks(_step(session, run_id, "verify", tuple[Verdict, ...]) or ()),
        "candidates": [_candidate(one, number) for number, one in enumerate(ranked)],
        "prompts": [_prompt(line) for line in prose.prompts] if prose else [],
        "usage": usage(session, run_id),
    }


def usage(session: Session, run_id: int) -> dict[str, Any]:
    """Return what a run's attempts took: totals, and a line for each purpose, model, outcome and price version.

    ``cost`` is in the budget's currency, as text; ``unpriced`` counts attempts of which nobody knows the price.
    """
    keys = (Usage.purpose, Usage.rung, Usage.provider, Usage.model, Usage.outcome, Usage.price_version)
    sums = (
        func.count().label("attempts"),
        func.sum(Usage.input_tokens).label("input_tokens"),
        func.sum(Usage.output_tokens).label("output_tokens"),
        func.coalesce(func.sum(Usage.cost_micros), 0).label("cost_micros"),
        func.count().filter(Usage.cost_micros.is_(None)).label("unpriced"),
        func.sum(Usage.saved_tokens).label("saved_tokens"),
    )
    query = select(*keys, *sums).where(Usage.run_id == run_id).group_by(*keys).order_by(func.min(Usage.id))
    lines = [_line(row._asdict()) for row in session.execute(query)]
    sent = [line for line in lines if line["outcome"] != "hit" and line["outcome"] not in UNSENT]
    return {
        "calls": sum(line["attempts"] for line in sent),
        "tokens": sum(line["input_tokens"] + line["output_tokens"] for line in lines),
        "saved_tokens": sum(line["saved_tokens"] for line in lines),
        "cost": format(sum((Decimal(line["cost"]) for line in lines), Decimal(0)), "f"),
        "unpriced": sum(line["unpriced"] for line in sent),
        "by": lines,
    }


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line of usage. PostgreSQL sums integers to decimals, which JSON would not keep apart from money."""
    money = Decimal(int(row["cost_micros"])) / MICROS
    whole = {
        name: int(row[name])
        for name in ("attempts", "input_tokens", "output_tokens", "unpriced", "saved_tokens")
    }
    named = {name: row[name] for name in ("purpose", "rung", "provider", "model", "outcome", "price_version")}
    return {**named, **whole, "cost": format(money, "f")}


def _plan(session: Session, run_id: int) -> dict[str, Any] | None:
    """Return the plan as it stood after reading; before that, as it was first made."""
    read = _step(session, run_id, "retrieve", _Retrieved)
    plan = read.plan if read else _step(session, run_id, "plan", Plan)
    if plan is None:
        return None
    return {
        "sections": dict(Counter(item.section for item in plan.stories)),
        "stories": [
            {"story": item.story, "section": item.section, "documents": len(item.posts)}
            for item in plan.stories
        ],
        "steps": [{"action": step.action, "check": asdict(step.check)} for step in plan.steps],
        "left_out": dict(Counter(plan.left_out.values())),
        "replanned": plan.replanned,
        "reasons": list(plan.reasons),
    }


def _persona(session: Session, run_id: int) -> dict[str, Any] | None:
    brief = _step(session, run_id, "brief", _Brief)
    if brief is None or brief.persona is None:
        return None
    persona = brief.persona
    return {
        "subscriber": persona.subscriber,
        "version": persona.version,
        "confidence": persona.confidence,
        "neutral": persona.neutral,
        "summary": persona.summary,
        "evidence": list(persona.evidence),
    }


def _quality(session: Session, run_id: int, prose: _Prose | None) -> dict[str, Any]:
    chosen = _step(session, run_id, "write.0", _Quality) or _Quality("extractive", ("no model is set up",))
    brief = _step(session, run_id, "brief", _Brief)
    return {
        "path": chosen.path,
        "why": list(chosen.why),
        "lessons": list(brief.lessons) if brief else [],
        "fallen": {str(story): why for story, why in prose.fallen.items()} if prose else {},
        "withheld": len(prose.withheld) if prose else 0,
        "corrected": prose.corrected if prose else None,
    }


def _checks(verdicts: tuple[Verdict, ...]) -> list[dict[str, Any]]:
    """Return what each draft's verdict was before anything was corrected or cut."""
    return [
        {
            "score": verdict.score,
            "parts": verdict.parts,
            "failed": dict(Counter(found.check for found in verdict.findings)),
            "findings": [{"path": one.path, "check": one.check} for one in verdict.findings[:FINDINGS]],
        }
        for verdict in verdicts
    ]


def _candidate(one: _Verified, number: int) -> dict[str, Any]:
    return {
        "method": one.draft.method,
        "rung": one.draft.rung,
        "score": one.verdict.score,
        "findings": len(one.verdict.findings),
        "stories": len(one.draft.stories),
        "sentences": sum(1 + len(story.sentences) for story in one.draft.stories),
        "corrected": one.corrected,
        "why": one.why,
        "chosen": number == 0,
    }


def _prompt(line: str) -> dict[str, str]:
    """Return a used prompt, which a prose step names as "purpose version hash"."""
    purpose, version, sha256 = line.split(" ")
    return {"purpose": purpose, "version": version, "sha256": sha256}


def _step(session: Session, run_id: int, name: str, kind: type[T]) -> T | None:
    try:
        return run.recorded(session, run_id, name, kind)
    except NotFound:
        return None
