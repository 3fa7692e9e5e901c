from dataclasses import replace

from windowdesk import INVENTED, SUBJECTS, Desk, judged, prepared

from agents import gate
from agents.critic import Verified
from domains import verify
from domains.digest import Draft, Verdict
from domains.domain import DIGEST
from domains.verify import Evidence


def test_a_verified_draft_ships(busy: Desk) -> None:
    _, held, draft = prepared(busy)
    ruling = gate.decide(judged(draft, held), held, DIGEST)
    assert (ruling.decision, ruling.draft, ruling.removed) == ("ship", draft, ())
    assert "all verified" in ruling.why


def test_what_is_unsupported_is_cut_before_shipping(busy: Desk) -> None:
    _, held, draft = prepared(busy)
    bad = replace(draft, stories=(replace(draft.stories[0], headline=INVENTED), *draft.stories[1:]))
    ruling = gate.decide(judged(bad, held), held, DIGEST)
    assert ruling.decision == "ship"
    assert ruling.removed == (draft.stories[0].story,)
    assert ruling.verdict.findings == ()


def test_a_verdict_that_hides_a_finding_does_not_help(busy: Desk) -> None:
    _, held, draft = prepared(busy)
    bad = replace(draft, stories=(replace(draft.stories[0], headline=INVENTED), *draft.stories[1:]))
    ruling = gate.decide(Verified(bad, Verdict(1.0, {}, ())), held, DIGEST)
    assert ruling.decision == "hold"
    assert "stories[0].headline still fails 'quote'" in ruling.why


def test_nothing_left_no_draft_and_no_number_are_held(desk: Desk) -> None:
    desk.happening(1, *SUBJECTS[0])
    _, held, draft = prepared(desk)
    assert gate.decide(None, held, DIGEST).decision == "hold"
    empty = replace(draft, stories=())
    assert "nothing verifiable" in gate.decide(judged(empty, held), held, DIGEST).why
    nan = replace(DIGEST, gate=replace(DIGEST.gate, hold_below=float("nan")))
    assert gate.decide(judged(draft, held), held, nan).decision == "hold"


def test_an_empty_draft_for_an_empty_plan_is_an_honest_quiet_digest(desk: Desk) -> None:
    held = Evidence({}, {}, (), {}, prepared(desk)[1].lexicon, str)
    quiet = Draft("submodular", "extractive", ())
    ruling = gate.decide(Verified(quiet, verify.verify(quiet, held)), held, DIGEST)
    assert (ruling.decision, ruling.why) == ("ship", "nothing was worth telling")


def test_a_lower_rung_than_hoped_for_ships_degraded(busy: Desk) -> None:
    _, held, draft = prepared(busy)
    ruling = gate.decide(judged(draft, held), held, DIGEST, "model")
    assert (ruling.decision, ruling.draft) == ("degraded", draft)
    assert ruling.why.endswith("the lowest rung that wrote is extractive")
    assert gate.decide(judged(draft, held), held, DIGEST, "extractive").decision == "ship"


def test_what_would_be_held_is_tried_again_after_an_outage(busy: Desk) -> None:
    _, held, draft = prepared(busy)
    assert gate.decide(None, held, DIGEST, "model", outage=True).decision == "retry"
    assert gate.decide(judged(draft, held), held, DIGEST, "model", outage=True).decision == "degraded"
