"""What is said of an answer by rules of its own."""

import pytest

from domains import domain
from domains.digest import Citation, DraftStory, Sentence
from domains.verify import Assertion


@pytest.mark.parametrize(
    ("said", "cited", "holds"),
    [
        ("The fare did not rise.", "The fare rises in January.", False),
        ("The fare rises.", "The fare won't rise in January.", False),
        ("The fare didn’t rise.", "The fare will not rise.", True),
        ("Проезд не подорожает.", "Проезд подорожает в январе.", False),
        ("The fare rises.", "The fare rises in January.", True),
    ],
)
def test_prose_denies_what_its_lines_deny(said, cited, holds):
    rule = next(one for one in domain.ANSWER.checks if one.name == "polarity")
    sentence = Sentence(said, (Citation(1, (0, len(cited)), cited),))
    assertion = Assertion("", DraftStory(1, "answer", sentence, ()), sentence, headline=False, rung="model")
    assert (rule.objection(assertion, None) == "") is holds
