from hypothesis import given
from hypothesis import strategies as st

from domains.topic import READ_WORDS, units


def test_a_post_speaks_of_its_story_tags_names_and_pairs():
    found = units("Пожар в порту Одессы. Горят склады #Одесса https://x.example/a", story=7)
    assert found[0] == "s:7"
    assert {"#одесса", "n:одесс", "t:пожар порту", "t:горят склад"} <= set(found)
    assert not any("http" in unit or "example" in unit for unit in found)


def test_inflection_and_order_do_not_matter():
    assert "t:обстр херсо" in units("обстрел Херсона")
    assert "t:обстр херсо" in units("Херсон: обстрелы")


def test_no_pair_spans_two_lines_and_only_the_beginning_is_read():
    assert "t:red zebra" not in units("zebra\nred")
    long = " ".join(["word"] * READ_WORDS) + " purple tomato"
    assert "t:purpl tomat" not in units(long)


@given(st.text(max_size=200))
def test_any_text_gives_units_once_and_in_order(text):
    found = units(text)
    assert list(found) == sorted(set(found))
