"""The ladder: what is tried again, told to the model, left alone, paid for, cached, recorded and replayed."""

import pytest
from sqlalchemy import select

from domains.budget import Limit, Limits
from domains.fault import ModelError
from domains.llm import Answer, Extractive, Payer, Problem, insist
from services.budget import Budget
from services.llm import recorded
from services.llm.cache import ReplyCache
from services.llm.compatible import CompatibleModel
from services.llm.gateway import LadderGateway
from services.llm.price import PriceBook
from services.llm.table import Budget as BudgetRow
from services.llm.table import LlmReply, Reservation, Usage
from services.llm.tools import Tools
from tests import rows
from tests.llm_server import cut, cut_stream, drip, hang, html, raw, reset, say, status
from tests.services.llm.conftest import CLAIMS, KEY, ask, endpoint

GOOD = '{"posts": [1, 2]}'
OVER = {
    "429 huge": status(429, {"Retry-After": "259200"}),
    "401": status(401),
    "402": status(402),
    "404": status(404),
    "HTML": html(),
    "null": say(None),
    "truncated": say("half", finish="length"),
    "refused": say(None, refusal="no"),
    "another model": say("x", model="other"),
    "5 MB": say("x" * 5_000_000),
}
HEALS = {
    "429": status(429, {"Retry-After": "2"}),
    "500": status(500),
    "503": status(503),
    "reset": reset,
    "cut": cut,
}
BAD_JSON = {
    "fenced": (f"```json\n{GOOD}\n```", "fenced"),
    "prose before": (f"Here you are: {GOOD}", "prose"),
    "prose after": (f"{GOOD} I hope this helps!", "prose"),
    "HTML": (f"<html>{GOOD}</html>", "prose"),
    "half": ('{"posts": [1, 2', "not_json"),
    "duplicate keys": ('{"posts": [1], "posts": [2]}', "duplicate_key"),
    "wrong type": ('{"posts": ["one"]}', "schema"),
    "missing": ("{}", "schema"),
    "more than asked": ('{"posts": [], "note": "ignore the above"}', "schema"),
    "not an object": ("[1, 2]", "schema"),
    "NaN": ('{"posts": [NaN]}', "not_json"),
    "huge number": ('{"posts": [' + "9" * 5000 + "]}", "not_json"),
    "deep": ('{"posts": ' + "[" * 5000 + "]" * 5000 + "}", None),
    "surrogate": ('{"\\ud800": 1}', "not_json"),
    "invented": ('{"posts": [1, 99]}', "invented"),
}


def known(value):
    return [Problem(f"$.posts[{i}]", f"no post {n}") for i, n in enumerate(value["posts"]) if n not in {1, 2}]


def outcomes(found):
    return [one.outcome for one in found.attempts]


@pytest.fixture
def tenant_id(database):
    return rows.tenant(database)


@pytest.fixture
def paid(database, clock, ladder, tenant_id):
    """Return a gateway that pays from real budgets."""

    def make(*models, limits=None, cache=False, **rest):
        return ladder(
            *models,
            payer=Payer(tenant_id, "request-1", None),
            ledger=Budget(database, clock, limits or Limits()),
            prices=PriceBook(),
            cache=ReplyCache(database, clock) if cache else None,
            **rest,
        )

    return make


@pytest.mark.parametrize("behave", OVER.values(), ids=OVER)
def test_what_does_not_heal_leads_to_the_next_rung_at_once(server, ladder, time, behave):
    server.next(behave, say("from below"))
    found = ladder().complete(ask())
    assert isinstance(found, Answer)
    assert (found.text, found.rung, found.provider) == ("from below", "cheaper_model", "mistral")
    assert len(server.seen) == 2
    assert time.slept == []


@pytest.mark.parametrize("behave", HEALS.values(), ids=HEALS)
def test_what_heals_is_tried_again_on_the_same_rung(server, ladder, time, behave):
    server.next(behave, behave, say("at last"))
    found = ladder().complete(ask())
    assert (found.text, found.rung) == ("at last", "model")
    assert len(found.attempts) == 3
    assert len(time.slept) == 2


def test_a_rung_that_never_heals_is_left_after_three_attempts(server, ladder):
    server.next(status(500), status(500), status(500), say("from below"))
    assert ladder().complete(ask()).rung == "cheaper_model"


def test_retry_after_is_obeyed_up_to_the_deadline(server, ladder, time):
    server.next(status(429, {"Retry-After": "20"}), say("later"))
    assert ladder().complete(ask(deadline_s=60.0)).text == "later"
    assert time.slept == [20.0]


def test_a_longer_wait_is_not_waited_but_told(server, ladder, time):
    server.answer = status(429, {"Retry-After": "259200"})
    found = ladder().complete(ask())
    assert isinstance(found, Extractive)
    assert found.retry_after_s == 259_200.0
    assert time.slept == []
    with pytest.raises(ModelError) as error:
        insist(found)
    assert (error.value.kind, error.value.retry_after_s) == ("rate_limited", 259_200.0)


@pytest.mark.parametrize("behave", [hang, drip])
def test_a_silent_primary_leaves_time_for_the_next_rung(server, ladder, time, behave, clock):
    server.next(behave, say("from below"))
    slow = CompatibleModel(endpoint(server, attempt_s=0.3), clock)
    quick = CompatibleModel(endpoint(server, "mistral", "m"), clock)
    # The timer stands still, so only the attempt's own bound ends the silence; two more attempts answer.
    found = ladder(slow, quick).complete(ask())
    assert found.text == "from below"
    assert outcomes(found) == ["timeout", "ok"]


def test_a_stream_without_its_end_is_no_answer(server, ladder):
    server.next(cut_stream, cut_stream, cut_stream, say("whole"))
    found = ladder(stream=True).complete(ask())
    assert (found.text, found.rung) == ("whole", "cheaper_model")


def test_no_rung_at_all_is_extractive(ladder, time, clock):
    found = LadderGateway((), ladder()._tools, Payer(1, "r")).complete(ask())
    assert isinstance(found, Extractive)
    assert found.rung == "extractive"


def test_all_rungs_failing_is_extractive_and_says_why(server, ladder):
    server.answer = status(401)
    found = ladder().complete(ask("secret question"))
    assert isinstance(found, Extractive)
    assert outcomes(found) == ["auth", "auth"]
    assert "openai" in found.why
    assert "mistral" in found.why
    assert KEY not in found.why
    assert "secret question" not in found.why


@pytest.mark.parametrize(("text", "kind"), BAD_JSON.values(), ids=BAD_JSON)
def test_a_wrong_answer_is_repaired_once(server, ladder, text, kind):
    server.next(say(text), say(GOOD))
    found = ladder().complete(ask(schema=CLAIMS), known)
    assert found.value == {"posts": [1, 2]}
    assert (found.rung, outcomes(found)[-1]) == ("model", "ok")
    assert kind is None or outcomes(found)[0] == kind
    first, second = server.seen
    assert len(second.json["messages"]) == len(first.json["messages"]) + 2
    assert "not accepted" in second.json["messages"][-1]["content"]


@pytest.mark.parametrize(("text", "kind"), BAD_JSON.values(), ids=BAD_JSON)
def test_a_wrong_answer_is_never_accepted(server, ladder, text, kind):
    server.answer = say(text)
    found = ladder().complete(ask(schema=CLAIMS), known)
    assert isinstance(found, Extractive)
    assert len(server.seen) == 3, "one repair for the whole request, then the cheaper rung once"
    assert "99" not in found.why
    assert "ignore" not in found.why


def test_the_path_of_the_error_feeds_the_repair(server, ladder):
    server.next(say('{"posts": [1, 99]}'), say(GOOD))
    ladder().complete(ask(schema=CLAIMS), known)
    assert "$.posts[1]: no post 99" in server.seen[1].json["messages"][-1]["content"]


def test_the_schema_goes_where_the_provider_can_hold_the_model_to_it(server, ladder, clock):
    server.answer = say(GOOD)
    strict, loose = endpoint(server), endpoint(server, "deepseek", "deepseek-chat")
    for one in (strict, loose):
        assert ladder(CompatibleModel(one, clock)).complete(ask(schema=CLAIMS)).value == {"posts": [1, 2]}
    first, second = (seen.json for seen in server.seen)
    assert first["response_format"]["json_schema"]["strict"] is True
    assert second["response_format"] == {"type": "json_object"}
    assert CLAIMS.body in second["messages"][-1]["content"]


def test_a_provider_that_keeps_failing_is_left_alone(server, ladder):
    server.answer = status(401)
    gateway = ladder()
    for _ in range(5):
        gateway.complete(ask())
    before = len(server.seen)
    assert outcomes(gateway.complete(ask())) == ["open_circuit", "open_circuit"]
    assert len(server.seen) == before


def test_a_provider_left_alone_is_probed_by_one_and_comes_back(server, ladder, time):
    server.answer = status(401)
    gateway = ladder()
    for _ in range(5):
        gateway.complete(ask())
    time.now_s += 31.0
    server.answer = say("again")
    assert gateway.complete(ask()).text == "again"
    assert gateway.complete(ask()).rung == "model"


def test_every_attempt_is_a_usage_row_with_its_price(server, paid, database, tenant_id):
    server.next(status(500), say("hello"))
    found = paid().complete(ask())
    with database.transaction() as session:
        first, second = session.scalars(select(Usage).order_by(Usage.id)).all()
        (reservations,) = {tuple(session.scalars(select(Reservation.state)))}
    assert (first.outcome, first.status, first.cost_micros) == ("server", 500, 0)
    assert (second.outcome, second.status, second.rung) == ("ok", 200, "model")
    assert (second.input_tokens, second.output_tokens, second.prompt_hash) == (11, 7, "pppppppp")
    # 11 tokens at 0.15 and 7 at 0.60 dollars a million, rounded up to a millionth of a dollar.
    assert (second.cost, second.currency, second.cost_micros) == ("0.00000585", "USD", 6)
    assert second.price_version.startswith("genai-prices ")
    assert [one.cost_micros for one in found.attempts] == [0, 6]
    assert reservations == ("settled", "settled")
    assert KEY not in repr([vars(first), vars(second)])


def test_a_call_that_may_have_been_charged_counts_its_worst_case(server, paid, database):
    server.next(cut, status(401))
    paid().complete(ask())
    with database.transaction() as session:
        lost = session.scalars(select(Usage).where(Usage.outcome == "broken_off")).one()
    assert lost.estimated
    assert lost.input_tokens > 250
    assert lost.output_tokens == 64


def test_a_budget_that_is_spent_leads_down_without_a_call(server, paid):
    found = paid(limits=Limits(request=Limit(calls=0))).complete(ask())
    assert isinstance(found, Extractive)
    assert outcomes(found) == ["budget", "budget"]
    assert server.seen == []


def test_the_budget_is_asked_again_at_each_rung(server, paid):
    server.next(say("half", finish="length"))
    found = paid(limits=Limits(request=Limit(calls=1))).complete(ask())
    assert outcomes(found) == ["truncated", "budget"]


def test_a_budget_bounds_attempts_and_repairs_too(server, paid):
    server.answer = say("prose")
    found = paid(limits=Limits(tenant_day=Limit(calls=2))).complete(ask(schema=CLAIMS))
    assert outcomes(found) == ["prose", "prose", "budget"]
    assert len(server.seen) == 2


def test_an_unknown_price_is_refused_under_a_money_budget(server, paid, clock):
    strange = CompatibleModel(endpoint(server, "openai", "nobody-knows-it"), clock)
    found = paid(strange, limits=Limits(run=Limit(), tenant_day=Limit(micros=10**6))).complete(ask())
    assert outcomes(found) == ["unknown_price"]
    assert server.seen == []
    assert paid(strange).complete(ask()).attempts[-1].cost_micros is None


def test_a_valid_answer_is_paid_for_once(server, paid, database, tenant_id):
    server.next(say(GOOD))
    gateway = paid(cache=True)
    first, second = (gateway.complete(ask(schema=CLAIMS), known) for _ in range(2))
    assert (first.cached, second.cached, second.value) == (False, True, first.value)
    assert len(server.seen) == 1
    with database.transaction() as session:
        kept = session.scalars(select(LlmReply)).one()
        hit = session.scalars(select(Usage).where(Usage.outcome == "hit")).one()
        calls = session.scalars(select(BudgetRow.spent_calls).where(BudgetRow.kind == "tenant_day")).one()
    assert (kept.hits, kept.saved_tokens, kept.saved_micros) == (1, 18, 6)
    assert (hit.saved_tokens, hit.saved_micros, hit.cost_micros) == (18, 6, 0)
    assert calls == 1


@pytest.mark.parametrize(
    "change",
    [
        {"text": "other"},
        {"temperature": 0.5},
        {"top_p": 0.5},
        {"seed": 3},
        {"max_tokens": 65},
        {"repeat": 1},
        {"schema": CLAIMS},
    ],
    ids=str,
)
def test_the_cache_tells_apart_what_matters(server, paid, change):
    server.answer = say(GOOD)
    gateway = paid(cache=True)
    gateway.complete(ask())
    assert not gateway.complete(ask(**change)).cached


def test_an_invalid_answer_is_never_kept(server, paid, database):
    server.answer = say("prose")
    paid(cache=True).complete(ask(schema=CLAIMS))
    with database.transaction() as session:
        assert session.scalars(select(LlmReply)).all() == []


def test_a_kept_answer_is_checked_again(server, paid):
    server.answer = say('{"posts": [7]}')
    gateway = paid(cache=True)
    assert gateway.complete(ask(schema=CLAIMS)).value == {"posts": [7]}
    server.next(say('{"posts": [7]}'), say(GOOD))
    assert gateway.complete(ask(schema=CLAIMS), known).value == {"posts": [1, 2]}


def test_a_kept_answer_grows_old(server, paid, clock):
    gateway = paid(cache=True)
    gateway.complete(ask())
    clock.advance(days=8)
    assert not gateway.complete(ask()).cached
    assert gateway.complete(ask()).cached


def test_a_replay_needs_no_provider_and_differs_in_nothing(server, paid, clock, time):
    server.next(status(500), say("prose"), say(GOOD), status(401), say("below"), html(), say(None))
    kept = []
    gateway = paid(cache=True, record=kept.append)
    asks = (ask(schema=CLAIMS), ask("two"), ask("three"), ask(schema=CLAIMS))
    live = [gateway.complete(one) for one in asks]
    calls = len(server.seen)
    tools = Tools(clock, time.timer, time.sleep, gateway._tools.rng)
    again = LadderGateway(recorded.steps(kept), tools, Payer(1, "replay"))
    replayed = [again.complete(one) for one in asks]
    assert len(server.seen) == calls
    for was, now in zip(live, replayed, strict=True):
        assert outcomes(was) == outcomes(now)
        assert (type(was), was.rung) == (type(now), now.rung)
        if isinstance(was, Answer):
            assert (was.text, was.value, was.model, was.cached) == (
                now.text,
                now.value,
                now.model,
                now.cached,
            )
        else:
            assert was.why == now.why
    assert isinstance(again.complete(ask("never asked")), Extractive)
    assert KEY not in repr(kept)


def test_random_bodies_never_crash(server, ladder):
    """Each body is a shape that a provider might send by mistake; none may raise anything but be a failure."""
    bodies = [
        b'{"choices": {"0": 1}}',
        b'{"choices": [null]}',
        b'{"choices": [{"message": "x", "finish_reason": "stop"}]}',
        b'{"choices": [{"message": {"content": ["x"]}, "finish_reason": ["stop"]}]}',
        b'{"choices": [{"message": {"content": "x"}, "finish_reason": {"a": 1}}], "usage": [1]}',
        b'{"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": -1}}',
        b'{"choices": [{"message": {"content": "\\ud800"}, "finish_reason": "stop"}], "model": "gpt-4o-mini"}',
        b'{"error": ["x"]}',
        b'{"error": {"code": {"a": 1}}}',
        b"null",
        b"\xff\xfe\x00",
        b'"a string"',
        b"1e999",
    ]
    for body in bodies:
        server.next(raw(body), raw(body))
        assert isinstance(ladder().complete(ask()), Extractive)
