"""The ranker: which of at most two verified candidates is shipped."""

from collections.abc import Sequence

from agents.critic import Verified


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


def _length(candidate: Verified) -> int:
    return sum(1 + len(story.sentences) for story in candidate.draft.stories)
