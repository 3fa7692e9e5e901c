from hypothesis import given
from hypothesis import strategies as st

from domains.bundle import bundled, words_of

POSTS = {1: "a", 2: "b", 3: "c", 4: "a"}


def test_two_terms_in_the_same_posts_are_a_bundle():
    (bundle,) = bundled({"n:storm": POSTS, "t:kyiv shado": POSTS}, frozenset(), 4, 3)
    assert (bundle.leader, bundle.partners, bundle.posts) == ("n:storm", ("t:kyiv shado",), POSTS)


def test_one_word_twice_is_none_nor_are_few_posts_or_publishers():
    assert bundled({"n:storm": POSTS, "t:shado storm": POSTS}, frozenset(), 4, 3) == []
    assert bundled({"n:storm": POSTS, "t:kyiv shado": POSTS}, {1}, 4, 3) == []
    assert bundled({"n:storm": POSTS, "t:kyiv shado": POSTS}, frozenset(), 4, 4) == []


def test_terms_whose_posts_differ_are_none():
    other = {5: "a", 6: "b", 7: "c", 8: "d", 1: "a"}
    assert bundled({"n:storm": POSTS, "n:bank": other}, frozenset(), 4, 3) == []


def test_words_of_units():
    assert words_of("t:kyiv shado") == {"kyiv", "shado"}
    assert words_of("n:storm") == words_of("#storm") == {"storm"}


UNITS = st.sampled_from(["n:a", "n:b", "t:c d", "t:a e", "#f"])


@given(
    st.dictionaries(UNITS, st.dictionaries(st.integers(0, 12), st.sampled_from("xyz"), max_size=9)),
    st.sets(st.integers(0, 12), max_size=4),
)
def test_no_post_is_in_two_bundles_or_taken(found, taken):
    bundles = bundled(found, taken, 3, 2)
    posts = [post for bundle in bundles for post in bundle.posts]
    assert len(posts) == len(set(posts))
    assert not set(posts) & taken
    assert all(len(bundle.posts) >= 3 and len(set(bundle.posts.values())) >= 2 for bundle in bundles)
