from agents.critic import Verified
from agents.ranker import rank
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
