from hypothesis import given
from hypothesis import strategies as st

from domains.kinship import COPIES, kin

FAMILIES = st.sampled_from("abcdef")


def test_who_mostly_copies_another_is_its_kin():
    assert kin({("tabloid", "agency"): COPIES}, {"tabloid": 2 * COPIES}) == {
        "agency": "agency",
        "tabloid": "agency",
    }


def test_a_few_reposts_among_many_posts_make_nobody_kin():
    assert kin({("paper", "agency"): COPIES}, {"paper": 2 * COPIES + 1}) == {}
    assert kin({("paper", "agency"): COPIES - 1}, {"paper": COPIES - 1}) == {}


def test_two_that_copy_one_agency_are_one_voice():
    known = kin({("x", "agency"): 9, ("y", "agency"): 9}, {"x": 9, "y": 9})
    assert known["x"] == known["y"] == known["agency"] == "agency"


@given(
    st.dictionaries(st.tuples(FAMILIES, FAMILIES), st.integers(0, 20)),
    st.dictionaries(FAMILIES, st.integers(1, 40)),
)
def test_kinship_parts_families_into_groups_named_by_their_first(copies, posts):
    known = kin(copies, posts)
    assert all(known[name] == name for name in known.values())
    assert all(name <= family for family, name in known.items())
    assert known == kin(dict(reversed(copies.items())), posts)
    named = {family for pair in copies for family in pair}
    assert known.keys() <= named
