"""The loop with a gateway: scripted models that are good, bad, silent, or die between two answers."""

import json
from dataclasses import replace

import msgspec
import pytest
from windowdesk import SUBJECTS, Desk, MemoryJournal, PlainLanguage

from agents import loop
from agents.interview import Silent
from benchmarks import faults, prose
from benchmarks.prose import Good, Scripted
from domains import limits
from domains.digest import Settings
from domains.domain import DIGEST, Gate
from domains.errors import GateClosed
from domains.fault import ModelError
from domains.llm import Extractive
from domains.ports import Deps, Standing
from services.language import OfflineLanguage

DIGESTS = 40
RANDOM = bytes(range(16))


EXTRAS = (
    "Photographers reached the place before noon.",
    "Neighbours brought tea and sandwiches.",
    "Reporters waited outside until dusk.",
    "Traffic crawled along side streets.",
)


@pytest.fixture
def busy():
    """A day of fourteen happenings on which publishers agree."""
    made = Desk()
    for number, (lead, detail) in enumerate(SUBJECTS, 1):
        for source in range(2 + number % 3):
            text = f"{lead}. {detail} {EXTRAS[source]}"
            made.post(text, story=number, source=f"wire{source}", hour=number / 2 + source)
    return made


def deps(gateway, journal=None, **standing):
    return Deps(
        PlainLanguage(),
        journal or MemoryJournal(),
        gateway=gateway,
        randomness=lambda: RANDOM,
        standing=Standing(**standing),
    )


def plain(briefing):
    return loop.run(DIGEST, briefing, Deps(PlainLanguage(), MemoryJournal()))


def good(busy):
    return Good(plain(busy.briefing()).digest)


def run(busy, script, **standing):
    gateway = Scripted(script)
    return gateway, loop.run(DIGEST, busy.briefing(), deps(gateway, **standing))


def spoilt(busy, change):
    """A good writer whose reply ``change`` gets to alter."""
    writer = good(busy)

    def script(request):
        value = writer(request)
        if request.purpose == "write.write":
            change(value["stories"])
        return value

    return script


def texts(digest):
    return [line.text for story in digest.stories for line in (story.headline, *story.sentences)]


class Dead:
    """A gateway behind which nobody answers."""

    def __init__(self, retry_after_s=None):
        self.outcome = Extractive("nobody answered", (), retry_after_s)
        self.asked = 0

    def complete(self, request, check=None):
        self.asked += 1
        return self.outcome


def test_a_good_writer_writes_it_all_in_one_call(busy):
    gateway, outcome = run(busy, good(busy))
    digest = outcome.shipped()
    assert (outcome.decision, digest.rung, digest.method) == ("ship", "model", "prose")
    assert {story.rung for story in digest.stories} == {"model"}
    assert (len(gateway.requests), outcome.prose.calls, outcome.prose.path) == (1, 1, "fast")
    assert outcome.prose.tokens < limits.FAST_TOKENS
    assert outcome.prose.fallen == {}
    assert outcome.prose.prompts[0].startswith("write.write 1 ")
    posts = {post.id: post for post in digest.posts}
    for story in digest.stories:
        for line in (story.headline, *story.sentences):
            assert line.citations
            assert all(posts[one.post].quote(one.span) == one.quote for one in line.citations)
            assert {one.post for one in line.citations} <= set(story.posts)
    assert any(line not in texts(plain(busy.briefing()).digest) for line in texts(digest))


def test_without_a_gateway_no_byte_tells_that_there_could_be_one(busy):
    body = msgspec.json.encode(plain(busy.briefing()).digest)
    assert body.count(b'"rung"') == 1


def test_a_silent_provider_leaves_the_extractive_digest_as_it_is(busy):
    outcome = loop.run(DIGEST, busy.briefing(), deps(Dead()))
    assert msgspec.json.encode(outcome.digest) == msgspec.json.encode(plain(busy.briefing()).digest)
    assert outcome.decision == "degraded"
    assert outcome.shipped().rung == "extractive"
    assert outcome.prose.why[-1] == "nobody answered"


def test_after_one_question_that_nobody_answered_no_other_is_asked(busy):
    gateway = Dead()
    loop.run(DIGEST, busy.briefing(), deps(gateway, important=True))
    assert gateway.asked == 1


def test_a_gateway_without_randomness_is_refused(busy):
    with pytest.raises(ValueError, match="randomness"):
        loop.run(DIGEST, busy.briefing(), Deps(PlainLanguage(), MemoryJournal(), gateway=Dead()))


def test_a_story_that_fails_is_told_extractively_and_the_digest_says_so(busy):
    def change(stories):
        stories[2]["headline"]["text"] = "Martians landed"

    _, outcome = run(busy, spoilt(busy, change))
    digest, third = outcome.shipped(), outcome.plan.stories[2].story
    assert outcome.prose.fallen == {third: "names"}
    assert {story.rung for story in digest.stories if story.story != third} == {"model"}
    assert next(story for story in digest.stories if story.story == third).rung == "extractive"
    assert (digest.rung, digest.method, outcome.decision) == ("extractive", "prose and extracts", "degraded")


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (lambda story: story["claims"].clear(), "cites"),
        (lambda story: story["claims"][0].update(post="p999"), "cites"),
        (lambda story: story["claims"][0].update(quote="never said by anybody"), "cites"),
        (lambda story: story["claims"][0].update(quote="the"), "cites"),
        (lambda story: story["headline"].update(claims=[40]), "cites"),
        (lambda story: story["headline"].update(text=f"{story['headline']['text']} " * 9), "length"),
        (lambda story: story["headline"].update(text="See https://evil.example for more"), "names"),
    ],
    ids=["no claim", "invented id", "invented quote", "a word", "no such claim", "endless", "link"],
)
def test_a_claim_that_is_none_supports_nothing(busy, change, check):
    _, outcome = run(busy, spoilt(busy, lambda stories: change(stories[0])))
    assert outcome.prose.fallen == {outcome.plan.stories[0].story: check}


def test_a_quote_of_another_story_is_no_quote_of_this_one(busy):
    def change(stories):
        stories[0]["claims"][0] = stories[1]["claims"][0]

    _, outcome = run(busy, spoilt(busy, change))
    assert outcome.prose.fallen == {outcome.plan.stories[0].story: "cites"}


def test_a_story_left_out_or_made_up_changes_no_other(busy):
    def change(stories):
        stories[0]["id"] = "s99"
        stories.append(dict(stories[1]))

    _, outcome = run(busy, spoilt(busy, change))
    assert outcome.prose.fallen == {outcome.plan.stories[0].story: "not told"}
    assert len(outcome.digest.stories) == len(plain(busy.briefing()).digest.stories)


def test_a_copied_mark_does_not_reach_the_digest(busy):
    writer = good(busy)

    def script(request):
        drawn = prose.re.search(r"carries the mark (\^\w+)", request.messages[0].content)[1]
        text = json.dumps(writer(request))
        for word in ("Flood", "Council"):
            text = text.replace(word, drawn + word)
        return json.loads(text)

    _, outcome = run(busy, script)
    assert outcome.shipped().rung == "model"
    assert not any("^" in text for text in texts(outcome.digest))


def test_a_reply_without_one_true_quote_is_repaired_once_then_given_up(busy):
    def change(stories):
        for story in stories:
            for claim in story["claims"]:
                claim["quote"] = "never said by anybody"

    gateway, outcome = run(busy, spoilt(busy, change))
    assert len(gateway.requests) == 2
    assert "$.stories[0].claims[0].quote: stands in no line" in gateway.requests[1].messages[-1].content
    assert outcome.shipped().rung == "extractive"


def test_a_low_score_is_corrected_once_and_kept_when_it_rises(busy):
    writer = good(busy)

    def script(request):
        value = writer(request)
        if "Your last attempt" not in request.messages[1].content:
            for story in value["stories"][1:]:
                story["headline"]["claims"] = []
                for line in story["sentences"]:
                    line["text"] = "Martians landed."
        return value

    gateway, outcome = run(busy, script)
    assert len(gateway.requests) == 2
    assert "- s2.headline: no quote of its claims was found" in gateway.requests[1].messages[1].content
    assert "Martians" not in gateway.requests[1].messages[1].content
    assert (outcome.prose.corrected, outcome.digest.rung) == (True, "model")


def test_a_correction_that_does_not_help_is_not_kept(busy):
    def change(stories):
        for story in stories[1:]:
            story["headline"]["claims"] = []
            story["sentences"] = []

    gateway, outcome = run(busy, spoilt(busy, change))
    assert len(gateway.requests) == 2
    assert outcome.prose.corrected is False
    assert len(outcome.prose.fallen) == len(outcome.plan.stories) - 1


def test_publishers_who_disagree_on_figures_make_a_window_difficult(desk):
    for number, (lead, detail) in enumerate(SUBJECTS[:4], 1):
        desk.happening(number, lead, detail)
    _, outcome = run(desk, Good(plain(desk.briefing()).digest))
    assert outcome.prose.path == "smart"
    assert "100% of the stories disagree on figures" in outcome.prose.why[0]


def test_the_smart_path_draws_claims_first_and_shows_the_writer_nothing_else(busy):
    gateway, outcome = run(busy, good(busy), important=True)
    steps = [request.purpose.removeprefix("write.") for request in gateway.requests]
    assert steps == ["map", "map", "reduce", "critic", "judge", "judge"]
    assert outcome.prose.why == ("the subscription is important",)
    assert outcome.shipped().rung == "model"
    reduce = prose.unmarked(gateway.requests[2], gateway.requests[2].messages[1].content)
    assert "p1:" not in reduce
    assert "claim 1:" in reduce


def test_a_claim_that_its_line_does_not_bear_is_not_shown_to_the_writer(busy):
    writer = good(busy)

    def script(request):
        value = writer(request)
        if request.purpose == "write.map":
            value["stories"][0]["claims"].insert(
                0, dict(value["stories"][0]["claims"][0], text="Martians landed.")
            )
        return value

    gateway, outcome = run(busy, script, important=True)
    assert "Martians" not in "".join(one.content for one in gateway.requests[2].messages)
    assert outcome.shipped().rung == "model"


def test_an_opinion_only_cuts(busy):
    writer = good(busy)

    def script(request):
        if request.purpose != "write.critic":
            return writer(request)
        return {
            "cut": [
                {"id": "s1.1", "why": "roles"},
                {"id": "s2.0", "why": "cause"},
                {"id": "s99.0", "why": "tone"},
            ]
        }

    _, whole = run(busy, writer, important=True)
    _, outcome = run(busy, script, important=True)
    first, second = outcome.digest.stories[:2]
    assert len(first.sentences) == len(whole.digest.stories[0].sentences) - 1
    assert (first.rung, second.rung) == ("model", "extractive")
    assert outcome.prose.fallen == {second.story: "an opinion: cause"}


@pytest.mark.parametrize("better", ["first", "second", "tie"])
def test_a_judge_that_prefers_a_place_is_undecided_and_the_cheaper_wins(busy, better):
    writer = good(busy)

    def script(request):
        return {"better": better} if request.purpose == "write.judge" else writer(request)

    _, outcome = run(busy, script, important=True)
    assert outcome.digest.rung == "extractive"
    assert "undecided, the cheaper wins" in outcome.candidates[0].why


@pytest.mark.parametrize("silent", ["critic", "judge"])
def test_an_opinion_that_nobody_gives_changes_nothing(busy, silent):
    scripted = Scripted(good(busy))

    class HalfDead:
        def complete(self, request, check=None):
            return (
                Dead().outcome if request.purpose == f"write.{silent}" else scripted.complete(request, check)
            )

    journal = MemoryJournal()
    outcome = loop.run(DIGEST, busy.briefing(), deps(HalfDead(), journal, important=True))
    assert outcome.digest.rung == "model"
    assert "prose reads better" in outcome.candidates[0].why
    answers = {name: body for name, body in journal.steps.items() if name.startswith("write.")}
    again = loop.run(DIGEST, busy.briefing(), deps(Silent(), MemoryJournal(answers)))
    assert msgspec.json.encode(again.digest) == msgspec.json.encode(outcome.digest)


def test_a_short_budget_takes_the_next_way_down(busy):
    gateway, outcome = run(busy, good(busy), important=True, tokens_left=limits.FAST_TOKENS)
    assert (outcome.prose.path, len(gateway.requests)) == ("fast", 1)
    gateway, outcome = run(busy, good(busy), tokens_left=limits.FAST_TOKENS - 1)
    assert (outcome.prose.path, gateway.requests) == ("extractive", [])
    assert outcome.shipped().rung == "extractive"


def test_an_empty_window_costs_nothing(desk):
    gateway = Scripted(dict)
    outcome = loop.run(DIGEST, desk.briefing(), deps(gateway))
    assert outcome.shipped().quiet
    assert (outcome.decision, gateway.requests) == ("ship", [])


class Crash(Exception):
    pass


class Fragile(MemoryJournal):
    """Dies after so many steps were recorded."""

    def __init__(self, after):
        super().__init__()
        self.after = after

    def step(self, name, kind, compute):
        value = super().step(name, kind, compute)
        if self.computed and len(self.computed) >= self.after:
            raise Crash
        return value


def test_a_run_killed_after_any_step_pays_for_nothing_twice(busy):
    briefing = busy.briefing()
    gateway, whole = run(busy, good(busy), important=True)
    paid = [request.messages for request in gateway.requests]
    for after in range(1, 16):
        journal, gateway = Fragile(after), Scripted(good(busy))
        with pytest.raises(Crash):
            loop.run(DIGEST, briefing, deps(gateway, journal, important=True))
        resumed = loop.run(DIGEST, briefing, deps(gateway, MemoryJournal(journal.steps), important=True))
        assert resumed.digest == whole.digest
        assert [request.messages for request in gateway.requests] == paid


def test_a_replay_needs_no_provider_and_differs_in_no_byte(busy):
    journal = MemoryJournal()
    first = loop.run(DIGEST, busy.briefing(), deps(Scripted(good(busy)), journal, important=True))
    answers = {name: body for name, body in journal.steps.items() if name.startswith("write.")}
    again = loop.run(
        DIGEST, busy.briefing(), replace(deps(Silent(), MemoryJournal(answers)), randomness=bytes)
    )
    assert msgspec.json.encode(again.digest) == msgspec.json.encode(first.digest)


def test_a_replay_with_changed_settings_takes_no_answer_to_another_question(busy):
    journal = MemoryJournal()
    loop.run(DIGEST, busy.briefing(), deps(Scripted(good(busy)), journal))
    answers = {name: body for name, body in journal.steps.items() if name.startswith("write.")}
    changed = busy.briefing(Settings(max_stories=3))
    again = loop.run(DIGEST, changed, deps(Silent(), MemoryJournal(answers)))
    assert again.digest.rung == "extractive"
    assert "nobody is asked now" in again.prose.why[-1]


def test_an_outage_is_not_recorded_so_that_a_retry_may_succeed(busy):
    """Where the extract would be held and a provider asked to wait, the run waits; then the model is asked again."""
    strict = replace(DIGEST, gate=Gate(hold_below=0.999))
    journal = MemoryJournal()
    with pytest.raises(ModelError) as caught:
        loop.run(strict, busy.briefing(), deps(Dead(retry_after_s=30.0), journal))
    assert caught.value.retry_after_s == 30.0
    assert "write" not in journal.steps
    with pytest.raises(GateClosed):
        loop.run(strict, busy.briefing(), deps(Dead(), journal)).shipped()
    back = MemoryJournal(
        {name: body for name, body in journal.steps.items() if name in {"plan", "retrieve", "draft"}}
    )
    assert loop.run(DIGEST, busy.briefing(), deps(Scripted(good(busy)), back)).digest.rung == "model"


def test_the_same_randomness_asks_the_same_and_another_does_not(busy):
    def asked(drawn):
        gateway = Scripted(good(busy))
        loop.run(DIGEST, busy.briefing(), replace(deps(gateway), randomness=lambda: drawn))
        return gateway.requests[0].messages

    assert asked(RANDOM) == asked(RANDOM) != asked(RANDOM[::-1])


def test_database_ids_are_not_shown(desk):
    for number, (lead, detail) in enumerate(SUBJECTS[:3], 1):
        desk.post(f"{lead}. {detail}", story=number + 7_000_000)
        desk.posts[-1] = replace(desk.posts[-1], id=number + 8_000_000)
        desk.tell(number + 7_000_000)
    gateway = Scripted(lambda _: {"stories": []})
    loop.run(DIGEST, desk.briefing(), deps(gateway))
    shown = gateway.requests[0].messages[1].content
    assert "Story s1" in shown
    assert "00000" not in shown


@pytest.fixture(scope="module")
def language():
    return OfflineLanguage()


@pytest.fixture(scope="module")
def windows(language):
    return prose.told((faults.invented(seed, language) for seed in range(DIGESTS)), language)


@pytest.mark.parametrize("fault", prose.FAULTS)
def test_a_fault_in_a_models_reply_is_caught_and_never_shipped(fault, windows, language):
    caught, shipped, injected = prose.caught(windows, language, fault)
    assert (caught, shipped, injected) == (DIGESTS, 0, DIGESTS)


def test_the_judge_of_faults_sees_one_that_is_shipped(windows, language, monkeypatch):
    blind = replace(DIGEST, checks=tuple(rule for rule in DIGEST.checks if rule.name != "numbers"))
    monkeypatch.setattr(prose, "DIGEST", blind)
    caught, shipped, injected = prose.caught(windows[:5], language, "invented number")
    assert (caught, shipped, injected) == (0, 5, 5)


def test_the_example_stream_is_written_by_few_calls_and_tokens(language):
    days = list(prose.example(language))
    rows = [row for row in prose.measure(days, language) if row.told]
    assert len(rows) >= 7
    assert sum(row.calls for row in rows) / len(rows) < limits.FAST_CALLS
    assert prose.p95([row.tokens for row in rows]) < limits.FAST_TOKENS
    assert all(row.replayed and row.path == "fast" for row in rows)
    assert sum(row.written for row in rows) >= 0.95 * sum(row.told for row in rows)
