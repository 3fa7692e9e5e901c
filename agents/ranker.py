"""The ranker: which of at most two verified candidates is shipped. Rules first; a judge only where they hardly differ."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from agents.critic import Better, Verified
from domains.digest import Draft

Judge = Callable[[Draft, Draft], Better | None]
# Scores that differ by no more are close: the rules measure what is told, not how well it reads.
MARGIN: Final = 0.1


def rank(candidates: Sequence[Verified], most: int) -> tuple[Verified, ...]:
    """Return at most ``most`` candidates, the best verified score first.

    Of equals the one with fewer findings wins, then the one that says more, then the one written first.
    """
    order = sorted(
        range(len(candidates)),
        key=lambda index: (
            -candidates[index].verdict.score,
            len(candidates[index].verdict.findings),
            -_length(candidates[index]),
            index,
        ),
    )
    return tuple(candidates[index] for index in order[:most])


def prefer(prose: Verified, extract: Verified, judge: Judge | None = None) -> tuple[Verified, ...]:
    """Return both candidates, the preferred first, with the reason in its ``why``.

    Outside ``MARGIN`` the rules' score decides. Within it a judge is asked in both orders, and unless it says twice the
    same the cheaper one wins, the extract; without a judge, or one that answers, it is the prose, which people prefer to
    extracts when both are true.
    """
    ahead = prose.verdict.score - extract.verdict.score
    scores = f"prose {prose.verdict.score:.3f}, extract {extract.verdict.score:.3f}"
    if prose.verdict.findings and not extract.verdict.findings:
        return _first(extract, prose, f"{scores}: the prose has findings")
    if abs(ahead) > MARGIN:
        best, other = (prose, extract) if ahead > 0 else (extract, prose)
        return _first(best, other, f"{scores}: the rules decide")
    opinions = (judge(prose.draft, extract.draft), judge(extract.draft, prose.draft)) if judge else (None,)
    if None in opinions:
        return _first(prose, extract, f"{scores}: close, and prose reads better")
    if opinions == ("first", "second"):
        return _first(prose, extract, f"{scores}: close, the judge prefers the prose in both orders")
    if opinions == ("second", "first"):
        return _first(extract, prose, f"{scores}: close, the judge prefers the extract in both orders")
    return _first(extract, prose, f"{scores}: close, the judge is undecided, the cheaper wins")


def _first(best: Verified, other: Verified, why: str) -> tuple[Verified, ...]:
    return replace(best, why=f"{best.why}; {why}" if best.why else why), other


def _length(candidate: Verified) -> int:
    return sum(1 + len(story.sentences) for story in candidate.draft.stories)
