from dataclasses import replace

from windowdesk import INVENTED, SUBJECTS, Desk, judged, prepared

from agents import critic
from domains import verify
from domains.digest import Draft, DraftStory
from domains.domain import DIGEST, Limits


def with_first(draft: Draft, story: DraftStory) -> Draft:
    return replace(draft, stories=(story, *draft.stories[1:]))


def test_a_sound_draft_is_left_alone(busy: Desk) -> None:
    before, held, draft = prepared(busy)
    found = judged(draft, held)
    assert found.verdict.findings == ()
    assert critic.correct(found, before, held, DIGEST) is found


def test_an_invented_sentence_is_replaced_and_the_score_rises(busy: Desk) -> None:
    before, held, draft = prepared(busy)
    first = draft.stories[0]
    broken = judged(with_first(draft, replace(first, sentences=(INVENTED, *first.sentences[1:]))), held)
    assert [finding.check for finding in broken.verdict.findings] == ["quote"]
    mended = critic.correct(broken, before, held, DIGEST)
    assert mended.corrected is True
    assert mended.verdict.findings == ()
    assert mended.verdict.score > broken.verdict.score
    assert INVENTED not in mended.draft.stories[0].sentences
    assert len(mended.draft.stories[0].sentences) == len(first.sentences)


def test_a_strange_headline_is_replaced_by_one_of_the_story(busy: Desk) -> None:
    before, held, draft = prepared(busy)
    first, other = draft.stories[0], draft.stories[1]
    broken = judged(with_first(draft, replace(first, headline=other.headline)), held)
    assert broken.verdict.findings[0].check == "story"
    mended = critic.correct(broken, before, held, DIGEST)
    assert mended.verdict.findings == ()
    assert mended.draft.stories[0].headline != other.headline


def test_a_correction_that_does_not_raise_the_score_is_not_kept(busy: Desk) -> None:
    before, held, draft = prepared(busy)
    weak = judged(draft, held)
    low = replace(weak, verdict=replace(weak.verdict, score=0.55))
    kept = critic.correct(low, before, held, replace(DIGEST, checks=(verify.Rule("never", lambda *_: "no"),)))
    assert (kept.corrected, kept.draft) == (False, draft)
    assert "not kept" in kept.why


def test_no_attempt_is_made_without_an_allowance(busy: Desk) -> None:
    before, held, draft = prepared(busy)
    broken = judged(with_first(draft, replace(draft.stories[0], headline=INVENTED)), held)
    none = replace(DIGEST, limits=Limits(documents=30, graph_depth=2, corrections=0))
    assert critic.correct(broken, before, held, none) is broken


def test_cutting_takes_the_sentence_or_with_its_headline_the_story(busy: Desk) -> None:
    _, held, draft = prepared(busy)
    first, second = draft.stories[:2]
    bad = replace(
        draft,
        stories=(
            replace(first, headline=INVENTED),
            replace(second, sentences=(*second.sentences, INVENTED)),
            *draft.stories[2:],
        ),
    )
    left = critic.cut(bad, verify.verify(bad, held, DIGEST.checks))
    assert left.stories == draft.stories[1:]


def test_a_story_nobody_planned_is_not_mended(desk: Desk) -> None:
    desk.happening(1, *SUBJECTS[0])
    before, held, draft = prepared(desk)
    stranger = replace(draft.stories[0], story=99)
    mended = critic.correct(
        judged(replace(draft, stories=(*draft.stories, stranger)), held), before, held, DIGEST
    )
    assert mended.draft == draft
