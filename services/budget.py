"""Budgets in Postgres: hold the worst case before a call, settle after it, take back what dead workers held.

The arithmetic is `domains.budget`'s. Each step is one short transaction; none is open while a provider is waited
for. Locks are always taken in one order: the reservation first, then its budgets by kind and key.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from domains import budget as rules
from domains.budget import Account, Amount, Limit, Limits, Scope
from domains.fault import ModelError
from domains.llm import Payer
from domains.ports import Clock
from services.database import Database
from services.llm.table import Budget as BudgetRow
from services.llm.table import Reservation, Usage

EXPIRE_BATCH: Final = 100
OPEN: Final = ("held", "sent")
REMEDY: Final = (
    "raise the limit, wait for the next day, or go on without a model; `svodka budget` shows what is left"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """What a usage row says of an attempt beside its cost; never a key, a prompt or a reply."""

    purpose: str
    rung: str
    provider: str
    model: str
    prompt_hash: str
    schema_sha256: str | None
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Spending:
    """How an attempt ended and what it cost, for its usage row."""

    outcome: str
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    estimated: bool = False
    cost_micros: int | None = 0
    cost: str | None = None
    currency: str | None = None
    price_version: str | None = None
    answered_model: str | None = None
    status: int | None = None
    latency_ms: int = 0
    saved_tokens: int = 0
    saved_micros: int = 0

    @property
    def amount(self) -> Amount:
        """What budgets are charged. An unknown price, where allowed, counts as no money."""
        return Amount(1, self.input_tokens + self.output_tokens, self.cost_micros or 0)


@dataclass(frozen=True, slots=True)
class Held:
    """A reservation that is ours until ``until``."""

    id: int
    payer: Payer
    entry: Entry
    ask: Amount
    until: datetime


@dataclass(frozen=True, slots=True)
class Line:
    """One budget as it is shown: limits (None: none), spent, reserved and left."""

    kind: str
    key: str
    limit: Limit
    spent: Amount
    reserved: Amount

    def left(self) -> Limit:
        """Return what may still be asked of each kind of limit."""
        taken = self.spent + self.reserved
        return Limit(
            None if self.limit.calls is None else self.limit.calls - taken.calls,
            None if self.limit.tokens is None else self.limit.tokens - taken.tokens,
            None if self.limit.micros is None else self.limit.micros - taken.micros,
        )


class Budget:
    """The budgets of all tenants and providers.

    ``lease_s`` must be longer than any one attempt may take. With ``allow_unknown_price`` a call without a price
    passes money limits as if it were free; calls and tokens still count.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        limits: Limits,
        *,
        lease_s: float = 120.0,
        allow_unknown_price: bool = False,
    ) -> None:
        self.limits = limits
        self.lease_s = lease_s
        self._database = database
        self._clock = clock
        self._allow_unknown_price = allow_unknown_price

    def reserve(self, payer: Payer, entry: Entry, tokens: int, micros: int | None) -> Held:
        """Hold one call of at most ``tokens`` and ``micros`` (None: unknown price) in every scope, or in none.

        What dead workers held is taken back before anybody is refused. Raises ModelError of kind budget or
        unknown_price.
        """
        scopes = rules.scopes(payer, entry.provider, self._clock.now().astimezone(UTC).date())
        limited = any(self.limits.of(scope.kind).micros is not None for scope in scopes)
        if micros is None and limited and not self._allow_unknown_price:
            raise ModelError(
                f"{entry.provider}: the price of {entry.model} is unknown and a money budget is set",
                kind="unknown_price",
                remedy="add the price to the overlay, remove the money limit, or allow unknown prices",
            )
        ask = Amount(1, tokens, micros or 0)
        held = self._hold(payer, entry, scopes, ask)
        if isinstance(held, str) and self.expire():
            held = self._hold(payer, entry, scopes, ask)
        if isinstance(held, str):
            raise ModelError(f"{entry.provider}: budget of {held}", kind="budget", remedy=REMEDY)
        return held

    def sending(self, held: Held) -> None:
        """Say that the call goes out now: from here on a dead worker's call counts as spent.

        Raises ModelError of kind budget when the lease has run out meanwhile and the hold was taken back.
        """
        until = self._clock.now() + timedelta(seconds=self.lease_s)
        with self._database.transaction() as session:
            ours = session.execute(
                update(Reservation)
                .where(Reservation.id == held.id, Reservation.state == "held")
                .values(state="sent", lease_until=until)
                .returning(Reservation.id)
            ).one_or_none()
        if ours is None:
            raise ModelError(
                f"{held.entry.provider}: the hold on the budget ran out before the call", kind="budget"
            )

    def settle(self, held: Held, spending: Spending) -> None:
        """Charge what the call cost, give the rest back, and write its usage row. Doing it twice does it once."""
        with self._database.transaction() as session:
            row = session.get_one(Reservation, held.id, with_for_update=True)
            if row.state in OPEN:
                _change(session, row.budgets, _amount(row), spending.amount)
            elif row.state == "lost":
                _change(session, row.budgets, Amount(), spending.amount - _amount(row))
                session.execute(delete(Usage).where(Usage.reservation_id == held.id))
            else:
                return
            row.state = "settled"
            session.add(_usage(held.payer, held.entry, spending, self._clock.now(), held.id))

    def release(self, held: Held) -> None:
        """Give back what was held for a call that was never sent."""
        with self._database.transaction() as session:
            row = session.get_one(Reservation, held.id, with_for_update=True)
            if row.state == "held":
                _change(session, row.budgets, _amount(row), Amount())
                row.state = "released"

    def note(self, payer: Payer, entry: Entry, spending: Spending) -> None:
        """Write a usage row that no budget pays for: an answer from the cache."""
        with self._database.transaction() as session:
            session.add(_usage(payer, entry, spending, self._clock.now()))

    def expire(self) -> int:
        """Take back what was held under leases that have run out; return how many.

        What was never sent is given back; what was sent counts as spent, for the provider may have charged for it.
        """
        now, count = self._clock.now(), 0
        for _ in range(EXPIRE_BATCH):
            with self._database.transaction() as session:
                row = session.scalar(
                    select(Reservation)
                    .where(Reservation.state.in_(OPEN), Reservation.lease_until <= now)
                    .order_by(Reservation.lease_until)
                    .limit(1)
                    .with_for_update(skip_locked=True)
                )
                if row is None:
                    return count
                _take_back(session, row, now)
                count += 1
        return count

    def lines(self, tenant_id: int, since: datetime) -> list[Line]:
        """Return the budgets of a tenant, and the providers', that were used since ``since``."""
        with self._database.transaction() as session:
            rows = session.scalars(
                select(BudgetRow)
                .where(
                    or_(BudgetRow.tenant_id == tenant_id, BudgetRow.tenant_id.is_(None)),
                    BudgetRow.touched_at >= since,
                )
                .order_by(BudgetRow.kind, BudgetRow.key)
            )
            return [_line(row) for row in rows]

    def tokens_left(self, payer: Payer) -> int | None:
        """Return how many tokens ``payer`` may still ask for now, at least 0; None where no tokens are limited."""
        scopes = rules.scopes(payer, "", self._clock.now().astimezone(UTC).date())
        capped = {
            scope: tokens for scope in scopes if (tokens := self.limits.of(scope.kind).tokens) is not None
        }
        keys = [(scope.kind, scope.key) for scope in capped]
        with self._database.transaction() as session:
            rows = session.scalars(select(BudgetRow).where(tuple_(BudgetRow.kind, BudgetRow.key).in_(keys)))
            taken = {(row.kind, row.key): (_spent(row) + _reserved(row)).tokens for row in rows}
        left = [tokens - taken.get((scope.kind, scope.key), 0) for scope, tokens in capped.items()]
        return max(0, min(left)) if left else None

    def purge(self, before: datetime) -> int:
        """Delete budgets and settled reservations not touched since ``before``; return how many. Usage stays."""
        with self._database.transaction() as session:
            old = delete(Reservation).where(Reservation.created_at < before, Reservation.state.not_in(OPEN))
            gone = len(session.execute(old.returning(Reservation.id)).all())
            idle = delete(BudgetRow).where(
                BudgetRow.touched_at < before, BudgetRow.reserved_calls == 0, BudgetRow.reserved_tokens == 0
            )
            return gone + len(session.execute(idle.returning(BudgetRow.id)).all())

    def _hold(self, payer: Payer, entry: Entry, scopes: Sequence[Scope], ask: Amount) -> Held | str:
        """Return the hold, or which limit it would pass."""
        now = self._clock.now()
        until = now + timedelta(seconds=self.lease_s)
        with self._database.transaction() as session:
            rows = _locked(session, scopes)
            if len(rows) == len(scopes):
                return self._hold_in(session, rows, payer, entry, ask, now, until)
        with self._database.transaction() as session:
            self._open(session, payer, scopes, now)
        with self._database.transaction() as session:
            return self._hold_in(session, _locked(session, scopes), payer, entry, ask, now, until)

    def _hold_in(
        self,
        session: Session,
        rows: Sequence[BudgetRow],
        payer: Payer,
        entry: Entry,
        ask: Amount,
        now: datetime,
        until: datetime,
    ) -> Held | str:
        for row in rows:
            account = Account(self.limits.of(row.kind), _spent(row), _reserved(row))  # type: ignore[arg-type]  # written by us
            if why := rules.shortage(account, ask):
                return f"{row.kind} {row.key}: {why}"
        for row in rows:
            limit = self.limits.of(row.kind)  # type: ignore[arg-type]  # written by us
            row.limit_calls, row.limit_tokens, row.limit_micros = limit.calls, limit.tokens, limit.micros
            row.touched_at = now
            _write(row, _spent(row), _reserved(row) + ask)
        reservation = Reservation(
            tenant_id=payer.tenant_id,
            run_id=payer.run_id,
            request=payer.request,
            entry=asdict(entry),
            calls=ask.calls,
            tokens=ask.tokens,
            micros=ask.micros,
            budgets=[row.id for row in rows],
            state="held",
            lease_until=until,
            created_at=now,
        )
        session.add(reservation)
        session.flush()
        return Held(reservation.id, payer, entry, ask, until)

    def _open(self, session: Session, payer: Payer, scopes: Sequence[Scope], now: datetime) -> None:
        rows = [
            {
                "kind": scope.kind,
                "key": scope.key,
                "tenant_id": None if scope.kind == "provider_day" else payer.tenant_id,
                "touched_at": now,
            }
            for scope in scopes
        ]
        session.execute(insert(BudgetRow).on_conflict_do_nothing(), rows)


def _locked(session: Session, scopes: Sequence[Scope]) -> Sequence[BudgetRow]:
    """Return the budgets of ``scopes``, locked in the one order."""
    keys = [(scope.kind, scope.key) for scope in scopes]
    return session.scalars(
        select(BudgetRow)
        .where(tuple_(BudgetRow.kind, BudgetRow.key).in_(keys))
        .order_by(BudgetRow.kind, BudgetRow.key)
        .with_for_update()
    ).all()


def _change(session: Session, ids: Sequence[int], held: Amount, actual: Amount) -> None:
    rows = session.scalars(
        select(BudgetRow)
        .where(BudgetRow.id.in_(ids))
        .order_by(BudgetRow.kind, BudgetRow.key)
        .with_for_update()
    )
    for row in rows.all():
        account = rules.settle(Account(Limit(), _spent(row), _reserved(row)), held, actual)
        _write(row, account.spent, account.reserved)


def _take_back(session: Session, row: Reservation, now: datetime) -> None:
    ask = _amount(row)
    if row.state == "held":
        _change(session, row.budgets, ask, Amount())
        row.state = "released"
        return
    _change(session, row.budgets, ask, ask)
    row.state = "lost"
    payer = Payer(row.tenant_id, row.request, row.run_id)
    lost = Spending("lost", input_tokens=row.tokens, estimated=True, cost_micros=row.micros)
    session.add(_usage(payer, Entry(**row.entry), lost, now, row.id))


def _usage(
    payer: Payer, entry: Entry, spending: Spending, now: datetime, reservation: int | None = None
) -> Usage:
    values: dict[str, Any] = {name: getattr(spending, name) for name in Spending.__dataclass_fields__}
    values |= {name: getattr(entry, name) for name in Entry.__dataclass_fields__}
    return Usage(
        tenant_id=payer.tenant_id,
        run_id=payer.run_id,
        request=payer.request,
        reservation_id=reservation,
        at=now,
        **values,
    )


def _amount(row: Reservation) -> Amount:
    return Amount(row.calls, row.tokens, row.micros)


def _spent(row: BudgetRow) -> Amount:
    return Amount(row.spent_calls, row.spent_tokens, row.spent_micros)


def _reserved(row: BudgetRow) -> Amount:
    return Amount(row.reserved_calls, row.reserved_tokens, row.reserved_micros)


def _write(row: BudgetRow, spent: Amount, reserved: Amount) -> None:
    row.spent_calls, row.spent_tokens, row.spent_micros = spent.calls, spent.tokens, spent.micros
    row.reserved_calls, row.reserved_tokens = reserved.calls, reserved.tokens
    row.reserved_micros = reserved.micros


def _line(row: BudgetRow) -> Line:
    limit = Limit(row.limit_calls, row.limit_tokens, row.limit_micros)
    return Line(row.kind, row.key, limit, _spent(row), _reserved(row))
