"""What became of a story: a changed number cites both posts, and anything that is not borne by them is refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domains.development import changes, day, objection
from domains.digest import Citation, Precedent, Sentence, Shipped
from domains.entity import Finder
from domains.post import Post
from tests.rows import DAY

OLD = "Обрушение моста: 12 пострадавших"
NEW = "Number of injured rises to 14, rescue chief Roman Kucheriavets said."


def post(number, text, lang="en", at=DAY, family="a"):
    return Post(number, f"s/{number}", "s", family, at, text, lang, "", sentences=((0, len(text)),))


BEFORE = post(1, OLD, "ru", DAY - timedelta(days=1))
NOW = post(2, NEW)
QUOTED = Citation(1, (0, len(OLD)), OLD)
TOLD = (Precedent(7, BEFORE.at, (Shipped(DAY, OLD, (QUOTED,)),), (BEFORE,)),)
SHOWN = (Sentence(NEW, (Citation(2, (0, len(NEW)), NEW),)),)


def found(members=(NOW,), told=TOLD):
    return changes(SHOWN, members, told, Finder())


def test_a_changed_number_cites_the_post_that_told_the_old_and_the_one_that_says_the_new():
    number, name = found()
    assert (number.kind, number.what, number.old, number.new) == ("number", "injured", "12", "14")
    assert (number.before, number.now.post) == (QUOTED, 2)
    assert (name.kind, name.new, name.before) == ("name", "Roman Kucheriavets", None)
    assert all(objection(one, {2: NOW}, TOLD) == "" for one in (number, name))


def test_nothing_is_new_of_what_was_never_told_or_says_the_same():
    assert found(told=()) == ()
    same = post(2, OLD, "ru")
    assert [one for one in found((same,)) if one.kind == "number"] == []
    fewer = post(2, "Of 9 injured, five have been discharged.")
    assert [one for one in found((fewer,)) if one.kind == "number"] == []


def test_the_newest_number_counts():
    later = post(3, "Постраждалих уже 15", "uk", DAY + timedelta(hours=2))
    (number, *_) = found((NOW, later))
    assert (number.old, number.new, number.now.post) == ("12", "15", 3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"new": "16"},
        {"new": "12"},
        {"old": "11"},
        {"old": "14"},
        {"before": None},
        {"before": replace(QUOTED, post=2)},
        {"now": Citation(9, (0, 4), NEW[:4])},
        {"now": Citation(2, (0, 4), NEW)},
    ],
)
def test_a_change_that_its_posts_do_not_bear_is_refused(wrong):
    number, _ = found()
    assert objection(replace(number, **wrong), {2: NOW}, TOLD)


def test_a_name_that_was_told_is_refused():
    _, name = found()
    known = (replace(TOLD[0], shipped=(*TOLD[0].shipped, Shipped(DAY, "Роман Кучерявец", (QUOTED,)))),)
    assert objection(name, {2: NOW}, known)


def test_days_are_counted_by_the_readers_calendar():
    first = datetime(2026, 11, 2, 21, 59, tzinfo=UTC)
    assert day(first, datetime(2026, 11, 2, 22, 0, tzinfo=UTC), "Europe/Kyiv") == 1
    assert day(first, datetime(2026, 11, 3, 22, 0, tzinfo=UTC), "Europe/Kyiv") == 2
    assert day(first, datetime(2026, 11, 3, 22, 0, tzinfo=UTC), "UTC") == 2
