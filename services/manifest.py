"""A run's manifest: assembled from its rows, and what it must look like by its schema."""

import json
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import msgspec
from jsonschema import Draft202012Validator
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from domains import limits
from domains.digest import Settings
from domains.errors import Refused
from services import archive, dossier
from services.run import get
from services.schema import Artifact, Claim, Delivery, Fate, RunStep, Subscription
from services.subscription import read_settings

BEGIN: Final = "begin"
SHAPING: Final = ("svodka", "numpy", "py3langid", "razdel", "simplemma")
SCHEMA: Final = Path(__file__).parent / "schemas" / "manifest.schema.json"


def assemble(session: Session, run_id: int) -> dict[str, Any]:
    """Return the run's manifest, assembled from its rows: references, hashes, configuration; never bodies."""
    run = get(session, run_id)
    row = session.get_one(Subscription, run.subscription_id)
    steps = session.execute(
        select(RunStep, Artifact.bytes)
        .join(Artifact, Artifact.sha256 == RunStep.sha256)
        .where(RunStep.run_id == run_id)
        .order_by(RunStep.seq)
    ).all()
    deliveries = session.scalars(
        select(Delivery).where(Delivery.run_id == run_id).order_by(Delivery.id)
    ).all()
    fates = session.execute(
        select(func.coalesce(Fate.reason, "shown"), func.count())
        .where(Fate.run_id == run_id)
        .group_by(Fate.reason)
    )
    return {
        "version": 1,
        "run": run.id,
        "domain": run.domain,
        "subscription": row.name,
        "window": {
            "start": run.window_start.isoformat(),
            "end": run.window_end.isoformat(),
            "zone": row.zone,
        },
        "state": run.state,
        "decision": run.decision,
        "why": run.why,
        "rung": run.rung,
        "score": run.score,
        "ended_at": run.ended_at.isoformat() if run.ended_at else None,
        "settings": asdict(_settings(session, run_id) or read_settings(row.settings)),
        "software": software(session, run_id),
        **dossier.dossier(session, run_id),
        "steps": [
            {
                "name": step.name,
                "sha256": step.sha256,
                "at": step.at.isoformat(),
                "elapsed_ms": step.elapsed_ms,
                "bytes": size_bytes,
            }
            for step, size_bytes in steps
        ],
        "digest_sha256": run.digest_sha256,
        "posts": dict(sorted((str(reason), count) for reason, count in fates)),
        "claims": session.scalar(select(func.count()).where(Claim.run_id == run_id)),
        "deliveries": [
            {"channel": d.channel, "target": d.target, "state": d.state, "receipt": d.receipt}
            for d in deliveries
        ],
    }


class _Brief(msgspec.Struct):
    """The part of a recorded briefing that a manifest shows."""

    settings: Settings


def _settings(session: Session, run_id: int) -> Settings | None:
    """Return the settings that a run was made with, lessons applied; None before it began."""
    query = select(RunStep.sha256).where(RunStep.run_id == run_id, RunStep.name == "brief")
    sha256 = session.scalar(query)
    return msgspec.json.decode(archive.get(session, sha256), type=_Brief).settings if sha256 else None


def software(session: Session, run_id: int) -> dict[str, str]:
    """Return the versions of what the run was made with, as it recorded them; empty before it began."""
    sha256 = session.scalar(select(RunStep.sha256).where(RunStep.run_id == run_id, RunStep.name == BEGIN))
    return msgspec.json.decode(archive.get(session, sha256), type=dict[str, str]) if sha256 else {}


def versions() -> dict[str, str]:
    """Return the versions of everything that can change what a digest says."""
    return {name: version(name) for name in SHAPING}


def check(manifest: dict[str, Any]) -> None:
    """Raise Refused that names the place when ``manifest`` is not what its schema says, or is too large."""
    problem = next(iter(_validator().iter_errors(manifest)), None)
    if problem is not None:
        raise Refused(f"manifest of run {manifest.get('run')}: {problem.json_path}: {problem.message}")
    size_bytes = len(json.dumps(manifest, ensure_ascii=False).encode())
    if size_bytes > limits.MANIFEST_BYTES:
        raise Refused(
            f"manifest of run {manifest['run']} has {size_bytes} bytes, over {limits.MANIFEST_BYTES}"
        )


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
