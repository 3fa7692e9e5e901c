from agents.critic import Verified
from agents.ranker import MARGIN, prefer, rank
from domains.digest import Draft, DraftStory, Finding, Sentence, Verdict

LINE = Sentence("words", ())


def candidate(method: str, score: float, findings: int = 0, sentences: int = 1) -> Verified:
    story = DraftStory(1, "main", LINE, (LINE,) * sentences)
    found = tuple(Finding(f"stories[0].sentences[{number}]", "quote", "no") for number in range(findings))
    return Verified(Draft(method, "extractive", (story,)), Verdict(score, {}, found))


def names(candidates: tuple[Verified, ...]) -> list[str]:
    return [one.draft.method for one in candidates]


def test_the_best_score_wins() -> None:
    assert names(rank([candidate("a", 0.5), candidate("b", 0.9)], 2)) == ["b", "a"]


def test_ties_go_to_fewer_findings_then_more_told_then_the_first() -> None:
    assert names(rank([candidate("a", 0.5, findings=1), candidate("b", 0.5)], 2)) == ["b", "a"]
    assert names(rank([candidate("a", 0.5), candidate("b", 0.5, sentences=2)], 2)) == ["b", "a"]
    assert names(rank([candidate("a", 0.5), candidate("b", 0.5)], 2)) == ["a", "b"]


def test_no_more_than_asked_are_ranked() -> None:
    assert names(rank([candidate("a", 0.1), candidate("b", 0.2), candidate("c", 0.3)], 2)) == ["c", "b"]
    assert rank([], 2) == ()


class Opinions:
    """A judge that says these things in turn, and remembers what it was asked."""

    def __init__(self, *said: str) -> None:
        self.said, self.asked = list(said), []

    def __call__(self, first: Draft, second: Draft) -> str:
        self.asked.append((first.method, second.method))
        return self.said.pop(0)


def test_outside_the_margin_the_rules_decide_and_no_judge_is_asked() -> None:
    judge = Opinions()
    high, low = candidate("prose", 0.9), candidate("extract", 0.9 - MARGIN - 0.01)
    assert names(prefer(high, low, judge)) == ["prose", "extract"]
    high, low = candidate("extract", 0.9), candidate("prose", 0.9 - MARGIN - 0.01)
    assert names(prefer(low, high, judge)) == ["extract", "prose"]
    assert judge.asked == []


def test_inside_the_margin_the_judge_is_asked_in_both_orders_and_must_agree_with_itself() -> None:
    close = candidate("prose", 0.8), candidate("extract", 0.85)
    for said, winner in (
        (("first", "second"), "prose"),
        (("second", "first"), "extract"),
        (("first", "first"), "extract"),
        (("second", "second"), "extract"),
        (("tie", "second"), "extract"),
        (("first", "tie"), "extract"),
    ):
        judge = Opinions(*said)
        best = prefer(*close, judge)[0]
        assert best.draft.method == winner
        assert judge.asked == [("prose", "extract"), ("extract", "prose")]
        assert "prose 0.800, extract 0.850" in best.why


def test_without_a_judge_prose_that_is_close_wins_and_prose_with_findings_never() -> None:
    assert names(prefer(candidate("prose", 0.8), candidate("extract", 0.85)))[0] == "prose"
    assert names(prefer(candidate("prose", 0.99, findings=1), candidate("extract", 0.5)))[0] == "extract"
