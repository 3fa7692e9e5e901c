"""The ledger counted for the metrics, when somebody asks: bounded queries on indexes, one short transaction.

What cannot be read is left out and its dependency shown as down, so that no old number passes for a new one.
"""

import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import redis
from sqlalchemy import text
from sqlalchemy.orm import Session

from domains import objective
from domains.errors import Unavailable
from domains.ports import Clock
from monitoring import metrics
from monitoring.exporter import Gauge
from monitoring.metrics import Metric
from services.database import Database
from services.settings import Settings
from services.valkey import ONCE

# An answer that takes longer than Prometheus waits helps nobody, and the ledger has better things to do.
STATEMENT_S: Final = 2
PATIENCE_S: Final = 1.0
# Scrapers that come together are told the same.
FRESH_S: Final = 2.0
PORTS: Final = {"amqp": 5672, "amqps": 5671, "bolt": 7687, "neo4j": 7687, "http": 80, "https": 443}

# The servers that we may need, by their names in the metrics, and the settings that hold their URLs.
KEYS: Final = {"broker": "broker_url", "cache": "redis_url", "qdrant": "qdrant_url", "neo4j": "neo4j_url"}

LIVE: Final = "tenant_id IN (SELECT id FROM tenant WHERE live)"
# A task's table, which of its rows count, and since when one that is due has been: a tenant is due since ever, the run of
# a window that is caught up with since the window's close.
WORK_TABLES: Final = {
    "source.fetch": ("source", LIVE, "next_at"),
    "index.posts": ("tenant", "live", "greatest(next_at, created_at)"),
    "digest.make": ("run", LIVE, "greatest(next_at, created_at)"),
    "delivery.send": ("delivery", LIVE, "next_at"),
    "trend.detect": ("watch", LIVE, "next_at"),
    "trend.make": ("trend_card", LIVE, "next_at"),
}
DUE: Final = """
    SELECT count(*), coalesce(extract(epoch FROM :now - min(CASE WHEN state = 'due' THEN {since} ELSE lease_until END)), 0)
    FROM {table} WHERE (state = 'due' AND next_at <= :now OR state = 'leased' AND lease_until <= :now) AND {live}
"""
LETTERS: Final = """
    SELECT kind, state, count(*) FROM dead_letter
    WHERE state IN ('pending', 'leased', 'scheduled', 'permanent') GROUP BY kind, state
"""
BUDGETS: Final = """
    SELECT kind, sum(spent_calls), sum(spent_tokens), sum(spent_micros) / 1e6,
        min(limit_calls - spent_calls - reserved_calls), min(limit_tokens - spent_tokens - reserved_tokens),
        min(limit_micros - spent_micros - reserved_micros) / 1e6,
        max(spent_calls::float / nullif(limit_calls, 0)), max(spent_tokens::float / nullif(limit_tokens, 0)),
        max(spent_micros::float / nullif(limit_micros, 0))
    FROM budget
    WHERE touched_at >= :midnight AND (kind IN ('request', 'run') OR key LIKE '%:' || to_char(:now AT TIME ZONE 'UTC', 'YYYY-MM-DD'))
    GROUP BY kind
"""
USAGE: Final = """
    SELECT provider, model, coalesce(sum(cost_micros), 0) / 1e6, sum(saved_tokens), sum(saved_micros) / 1e6,
        count(*) FILTER (WHERE cost_micros IS NULL)
    FROM usage WHERE at >= :midnight GROUP BY provider, model
"""
UNKNOWN: Final = "SELECT count(*) FROM delivery WHERE state = 'unknown'"
# What waits for the end of quiet hours, or for its channel, is not due; what was missed before is caught up with.
OVERDUE: Final = f"""
    SELECT count(*) FROM delivery d JOIN run r ON r.id = d.run_id JOIN subscription s ON s.id = r.subscription_id
    WHERE d.state IN ('due', 'leased', 'dead') AND d.next_at <= :now
        AND r.window_end BETWEEN greatest(:yesterday, s.active_since) AND :promised AND d.{LIVE}
"""
INDEX: Final = f"""
    SELECT count(*), coalesce(extract(epoch FROM :now - min(stored_at)), 0)
    FROM (SELECT stored_at FROM post WHERE indexed_at IS NULL AND {LIVE} LIMIT 100000) AS waiting
"""
SOURCES: Final = f"""
    SELECT count(*) FILTER (WHERE paused),
        count(*) FILTER (WHERE NOT paused AND silent AND polled),
        count(*) FILTER (WHERE NOT paused AND NOT (silent AND polled) AND failures > 0),
        count(*) FILTER (WHERE NOT paused AND NOT (silent AND polled) AND failures = 0),
        coalesce(max(extract(epoch FROM :now - heard)) FILTER (WHERE polled AND NOT paused), 0)
    FROM (
        SELECT paused, polled, failures, coalesce(last_success_at, created_at) AS heard,
            coalesce(last_success_at, created_at) < :now - make_interval(secs => interval_s * {objective.SILENT_INTERVALS}) AS silent
        FROM source WHERE removed_at IS NULL AND {LIVE}
    ) AS live
"""
TRENDS: Final = f"""
    SELECT state, count(*) FROM (
        SELECT DISTINCT ON (p.trend_id) p.trend_id, p.state FROM trend_point p JOIN trend t ON t.id = p.trend_id
        WHERE t.began_at >= :lately AND t.{LIVE} ORDER BY p.trend_id, p.at DESC, p.id DESC
    ) AS newest GROUP BY state
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A server we need, by its name in the metrics and its URL."""

    name: str
    url: str


class Census:
    """Counts the ledger of ``database`` and asks ``servers`` whether they are there; ``var`` is on the disk we watch."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        servers: tuple[Server, ...],
        var: Path,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database, self._clock, self._servers, self._var, self._timer = (
            database, clock, servers, var, timer,
        )  # fmt: skip
        self._told: tuple[float, list[Gauge]] | None = None

    def __call__(self) -> list[Gauge]:
        """Return every gauge that can be measured now."""
        if self._told is None or self._timer() - self._told[0] > FRESH_S:
            self._told = (self._timer(), list(self._measure()))
        return self._told[1]

    def _measure(self) -> Iterator[Gauge]:
        began_s = self._timer()
        for server in self._servers:
            yield Gauge(metrics.UP, answers(server), (server.name,))
        with suppress(OSError):
            disk = shutil.disk_usage(self._var)
            yield Gauge(metrics.DISK_FREE, disk.free / disk.total)
        try:
            counted = self._count()
        except Unavailable:
            yield Gauge(metrics.UP, 0, ("postgres",))
        else:
            yield Gauge(metrics.UP, 1, ("postgres",))
            yield from counted
        yield Gauge(metrics.CENSUS_SECONDS, self._timer() - began_s)

    def _count(self) -> list[Gauge]:
        now = self._clock.now()
        times = moments(now)
        with self._database.transaction() as session:
            session.execute(text(f"SET LOCAL statement_timeout = '{STATEMENT_S}s'"))
            return [
                *_work(session, times),
                *_money(session, times),
                *_single(session, times),
                *_sources(session, times),
            ]


def known(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Return the providers and models that are set up, whose counters stand at 0 before they are asked."""
    pairs = (
        (settings.model_provider, settings.model_name),
        (settings.cheaper_model_provider, settings.cheaper_model_name),
    )
    return {
        "provider": tuple(dict.fromkeys(provider for provider, _ in pairs if provider)),
        "model": tuple(dict.fromkeys(model for provider, model in pairs if provider)),
    }


def moments(now: datetime) -> dict[str, Any]:
    """Return the moments that the queries name."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "now": now,
        "midnight": midnight,
        "yesterday": now - timedelta(days=1),
        "lately": now - timedelta(days=7),
        "promised": now - timedelta(seconds=objective.DELIVERED_WITHIN_S),
    }


def answers(server: Server) -> bool:
    """Return whether a server answers within `PATIENCE_S`: Redis and Valkey a ping, others a connection."""
    parts = urlsplit(server.url)
    try:
        if parts.scheme in {"redis", "rediss", "valkey", "valkeys"}:
            with redis.Redis.from_url(
                server.url, socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S, retry=ONCE
            ) as client:
                return bool(client.ping())
        address = (parts.hostname or "localhost", parts.port or PORTS.get(parts.scheme.split("+")[0], 0))
        with socket.create_connection(address, timeout=PATIENCE_S):
            return True
    except (OSError, redis.RedisError):
        return False


def _work(session: Session, times: dict[str, Any]) -> Iterator[Gauge]:
    for task, (table, live, since) in WORK_TABLES.items():
        query = text(DUE.format(table=table, live=live, since=since))
        count, age_s = session.execute(query, times).one()
        yield Gauge(metrics.DUE, count, (task,))
        yield Gauge(metrics.DUE_AGE, float(age_s), (task,))
    found = {(kind, state): count for kind, state, count in session.execute(text(LETTERS))}
    for labels in metrics.LETTERS.series({}):
        yield Gauge(metrics.LETTERS, found.get((labels[0], labels[1]), 0), labels)


def _money(session: Session, times: dict[str, Any]) -> Iterator[Gauge]:
    rows = {row[0]: row[1:] for row in session.execute(text(BUDGETS), times)}
    for scope in metrics.SCOPES:
        row = rows.get(scope, (0, 0, 0, *[None] * 6))
        for number, unit in enumerate(metrics.UNITS):
            yield Gauge(metrics.BUDGET_SPENT, float(row[number]), (scope, unit))
            if row[3 + number] is not None:
                yield Gauge(metrics.BUDGET_LEFT, float(row[3 + number]), (scope, unit))
            if row[6 + number] is not None:
                yield Gauge(metrics.BUDGET_USED, float(row[6 + number]), (scope, unit))
    used = session.execute(text(USAGE), times).all()
    yield from (Gauge(metrics.SPEND_TODAY, float(row[2]), (row[0], row[1])) for row in used)
    yield Gauge(metrics.SAVED_TODAY, float(sum(row[3] for row in used)), ("tokens",))
    yield Gauge(metrics.SAVED_TODAY, float(sum(row[4] for row in used)), ("money",))
    yield Gauge(metrics.UNPRICED_TODAY, sum(row[5] for row in used))


def _single(session: Session, times: dict[str, Any]) -> Iterator[Gauge]:
    def one(metric: Metric, query: str) -> Gauge:
        return Gauge(metric, float(session.execute(text(query), times).scalar_one()))

    yield one(metrics.UNKNOWN, UNKNOWN)
    yield one(metrics.OVERDUE, OVERDUE)
    pending, lag_s = session.execute(text(INDEX), times).one()
    yield Gauge(metrics.INDEX_PENDING, pending)
    yield Gauge(metrics.INDEX_LAG, float(lag_s))


def _sources(session: Session, times: dict[str, Any]) -> Iterator[Gauge]:
    paused, silent, failing, ok, lag_s = session.execute(text(SOURCES), times).one()
    found = {"paused": paused, "silent": silent, "failing": failing, "ok": ok}
    yield from (Gauge(metrics.SOURCES, count, (health,)) for health, count in found.items())
    yield Gauge(metrics.SOURCE_LAG, float(lag_s))
    states = {state: count for state, count in session.execute(text(TRENDS), times)}  # noqa: C416  typed rows
    yield from (Gauge(metrics.TRENDS, states.get(state, 0), (state,)) for state in metrics.TREND_STATES)
