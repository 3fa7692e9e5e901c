"""The ladder: each rung is asked within its share of the time, each attempt is paid for before it is made.

A request tries a rung's cache, then the rung: circuit, reservation, "sending", the model, reading and checking,
settlement. What heals is tried again inside the rung's share (tenacity); what repairs is told to the model once per
request; anything else, and whatever did not heal, leads to the next rung, and after the last to `Extractive`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from tenacity import RetryCallState, Retrying, retry_if_exception

from domains import ladder
from domains.fault import ModelError, Usage
from domains.llm import (
    Answer,
    Attempt,
    Check,
    Extractive,
    Payer,
    Reply,
    Request,
    Transcript,
    canonical,
    fingerprint,
    repair,
    worst_case,
)
from domains.price import Price, cost, micros, worst_cost
from services.budget import Entry, Held, Spending
from services.llm import answer, count
from services.llm.cache import Kept
from services.llm.tools import Step, Tools

# An attempt must end well before its reservation's lease does.
LEASE_SHARE: Final = 0.8
LEAST_S: Final = 0.05
Record = Callable[[Transcript], None]


class LadderGateway:
    """The gateway of one payer. ``record`` is handed each attempt, so that a run can keep it as an artifact."""

    def __init__(
        self, steps: Sequence[Step], tools: Tools, payer: Payer, record: Record | None = None
    ) -> None:
        self._steps = tuple(steps)
        self._tools = tools
        self._payer = payer
        self._record = record

    def complete(self, request: Request, check: Check | None = None) -> Answer | Extractive:
        """Return a checked answer from the first rung that gives one, or `Extractive` with what went wrong.

        Raises Unavailable when our own database does not answer: that is no model's failure.
        """
        climb = _Climb(self._tools, self._payer, self._record, request, check)
        failures: list[ModelError] = []
        for number, step in enumerate(self._steps):
            try:
                return climb.rung(step, len(self._steps) - number)
            except ModelError as error:
                failures.append(error)
        waits = [error.retry_after_s for error in failures if error.retry_after_s is not None]
        why = "; ".join(dict.fromkeys(str(error) for error in failures)) or "no model is set up"
        return Extractive(why, tuple(climb.attempts), min(waits, default=None))


class _Climb:
    """One request on its way down the ladder."""

    def __init__(
        self, tools: Tools, payer: Payer, record: Record | None, request: Request, check: Check | None
    ) -> None:
        self.attempts: list[Attempt] = []
        self._tools = tools
        self._payer = payer
        self._record = record
        self._request = request
        self._check = check
        self._end_s = tools.timer() + request.deadline_s
        self._repaired = False
        self._bad = ""

    def rung(self, step: Step, rungs_left: int) -> Answer:
        """Return the answer of one rung. Raises the ModelError that it ended with."""
        key = fingerprint(self._request, step.model)
        if (kept := self._from_cache(step, key)) is not None:
            return kept
        now_s = self._tools.timer()
        end_s = now_s + ladder.share_s(self._end_s - now_s, rungs_left)
        try:
            found = self._retrying(step, self._request, end_s)
        except ModelError as error:
            if not error.trait.repairs or self._repaired:
                raise
            self._repaired = True
            found = self._retrying(step, repair(self._request, self._bad, error), end_s)
        value, reply, cost_micros = found
        if self._tools.cache is not None and not reply.cached:
            self._tools.cache.put(self._payer.tenant_id, key, step.model, reply, cost_micros)
        return self._answer(step, value, reply)

    def _retrying(self, step: Step, request: Request, end_s: float) -> tuple[Any, Reply, int | None]:
        def stop(state: RetryCallState) -> bool:
            late = state.upcoming_sleep + LEAST_S >= end_s - self._tools.timer()
            return late or state.attempt_number >= ladder.RETRIES

        def pause(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.retry_after_s if isinstance(error, ModelError) else None
            return ladder.backoff_s(state.attempt_number, asked, self._tools.rng.random())

        again = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, ModelError) and error.trait.heals),
            stop=stop,
            wait=pause,
            sleep=self._tools.sleep,
            reraise=True,
        )
        return again(self._attempt, step, request, end_s)

    def _attempt(self, step: Step, request: Request, end_s: float) -> tuple[Any, Reply, int | None]:
        """Make one physical attempt, paid for. Returns the value, the reply and its cost in micros."""
        tools, model = self._tools, step.model
        left_s = end_s - tools.timer()
        if left_s < LEAST_S:
            raise ModelError(f"{model.provider}: no time left to ask", kind="timeout")
        if tools.ledger:
            left_s = min(left_s, tools.ledger.lease_s * LEASE_SHARE)
        price = tools.prices.price(model.provider, model.model, tools.clock.now()) if tools.prices else None
        entry = _entry(step, request)
        held = self._admitted(step, request, entry, price, left_s)
        started_s = tools.timer()
        reply: Reply | None = None
        try:
            reply = model.complete(request, left_s)
            self._keep(step, request, "hit" if reply.cached else "ok", reply=reply)
            value = answer.read(reply, request.schema, self._check)
        except ModelError as error:
            self._bad = reply.text if reply else ""
            if reply is None:
                self._keep(step, request, error.kind, error=error)
            usage = error.usage or (worst_case(request) if error.trait.may_cost else Usage())
            self._ended(step, held, price, error.kind, usage, started_s, left_s, error=error)
            raise
        outcome = "hit" if reply.cached else "ok"
        paid = self._ended(step, held, price, outcome, reply.usage, started_s, left_s, reply=reply)
        return value, reply, paid

    def _admitted(
        self, step: Step, request: Request, entry: Entry, price: Price | None, left_s: float
    ) -> Held | None:
        """Pass the circuit and the budget. Raises ModelError, after writing down that nothing was sent."""
        try:
            return self._reserved(step, request, entry, price, left_s)
        except ModelError as error:
            if self._tools.circuits:
                self._tools.circuits.ended(step.model.provider, error, left_s)
            self._tell(_told(step, error.kind, retry_after_s=error.retry_after_s))
            self._keep(step, request, error.kind, error=error)
            raise

    def _reserved(
        self, step: Step, request: Request, entry: Entry, price: Price | None, left_s: float
    ) -> Held | None:
        tools, provider = self._tools, step.model.provider
        if tools.circuits and not tools.circuits.admit(provider, left_s):
            raise ModelError(f"{provider}: left alone for a while, it failed too often", kind="open_circuit")
        if tools.ledger is None:
            return None
        worst = worst_case(request)
        money = self._micros(worst_cost(price, worst), price) if price else None
        held = tools.ledger.reserve(self._payer, entry, worst.tokens, money)
        tools.ledger.sending(held)
        return held

    def _ended(
        self,
        step: Step,
        held: Held | None,
        price: Price | None,
        outcome: str,
        usage: Usage,
        started_s: float,
        left_s: float,
        *,
        reply: Reply | None = None,
        error: ModelError | None = None,
    ) -> int | None:
        """Settle, count and tell an attempt that was made; return its cost in micros."""
        tools = self._tools
        amount = cost(price, usage) if price else None
        paid = self._micros(amount, price) if price and amount is not None else None
        latency_ms = round((tools.timer() - started_s) * 1000)
        if tools.circuits:
            tools.circuits.ended(step.model.provider, error, left_s)
        told = _told(step, outcome, usage, paid, latency_ms, error.retry_after_s if error else None)
        self._tell(told)
        if tools.ledger is not None and held is not None:
            spending = Spending(
                outcome,
                usage.input_tokens,
                usage.output_tokens,
                usage.cached_tokens,
                usage.estimated,
                paid,
                None if amount is None else format(amount, "f"),
                price.currency if price else None,
                price.version if price else None,
                reply.model[:200] if reply else None,
                200 if reply else error.status if error else None,
                latency_ms,
            )
            tools.ledger.settle(held, spending)
        return paid

    def _from_cache(self, step: Step, key: str) -> Answer | None:
        tools, tenant_id = self._tools, self._payer.tenant_id
        kept = tools.cache.get(tenant_id, key) if tools.cache else None
        if tools.cache is not None:
            count.cache(tools.meter, "reply", hit=kept is not None)
        if tools.cache is None or kept is None:
            return None
        try:
            value = answer.read(kept.reply, self._request.schema, self._check)
        except ModelError:
            # What was valid then is not now (another check): ask again.
            return None
        tools.cache.hit(tenant_id, key, kept)
        self._noted(step, kept)
        return self._answer(step, value, kept.reply)

    def _noted(self, step: Step, kept: Kept) -> None:
        self._tell(_told(step, "hit"))
        self._keep(step, self._request, "hit", reply=kept.reply)
        if self._tools.ledger is not None:
            saved = Spending(
                "hit",
                answered_model=kept.reply.model[:200],
                saved_tokens=kept.reply.usage.tokens,
                saved_micros=kept.cost_micros or 0,
            )
            self._tools.ledger.note(self._payer, _entry(step, self._request), saved)

    def _tell(self, told: Attempt) -> None:
        self.attempts.append(told)
        count.attempt(self._tools.meter, told, self._tools.circuits)

    def _answer(self, step: Step, value: Any, reply: Reply) -> Answer:
        return Answer(
            reply.text, value, step.rung, step.model.provider, reply.model, reply.cached, tuple(self.attempts)
        )

    def _micros(self, amount: Decimal, price: Price) -> int | None:
        return micros(amount, price.currency, self._tools.prices.exchange) if self._tools.prices else None

    def _keep(
        self,
        step: Step,
        request: Request,
        outcome: str,
        *,
        reply: Reply | None = None,
        error: ModelError | None = None,
    ) -> None:
        if self._record is None:
            return
        one = Transcript(
            key=fingerprint(request, step.model),
            rung=step.rung,
            provider=step.model.provider,
            model=step.model.model,
            dialect=step.model.dialect,
            outcome=outcome,
            request=canonical(request),
        )
        if reply is not None:
            one = replace(
                one,
                body=reply.body,
                text=reply.text,
                answered_model=reply.model,
                usage=reply.usage,
                status=200,
            )
        if error is not None:
            one = replace(
                one,
                message=str(error),
                usage=error.usage,
                status=error.status,
                retry_after_s=error.retry_after_s,
            )
        self._record(one)


def _entry(step: Step, request: Request) -> Entry:
    return Entry(
        purpose=request.purpose,
        rung=step.rung,
        provider=step.model.provider,
        model=step.model.model,
        prompt_hash=request.prompt_hash,
        schema_sha256=request.schema.sha256 if request.schema else None,
        fingerprint=fingerprint(request, step.model),
    )


def _told(
    step: Step,
    outcome: str,
    usage: Usage | None = None,
    cost_micros: int | None = 0,
    latency_ms: int = 0,
    retry_after_s: float | None = None,
) -> Attempt:
    return Attempt(
        step.rung,
        step.model.provider,
        step.model.model,
        outcome,
        usage or Usage(),
        cost_micros,
        latency_ms,
        retry_after_s,
    )
