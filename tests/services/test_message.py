import re
from html import unescape

from hypothesis import given, settings
from hypothesis import strategies as st

from domains import limits
from domains.digest import Citation, Sentence
from services.message import ENTITIES, JOINER, messages
from services.page import clean, page
from tests.services.digestdesk import NASTY, DigestDesk, hostile, said, trilingual

TOKEN = re.compile(r'<(/?)(b|i)>|<(a) href="(https?://[^"<>\s]+)">|</(a)>|&(?:lt|gt|amp|quot|#x27);|[^<>&]')


def units(text: str) -> int:
    """Return the length of ``text`` in UTF-16 code units, counted by Python's own codec."""
    return len(text.encode("utf-16-le")) // 2


def plain(message: str) -> str:
    """Return a message's text. Fails unless it is the subset that Telegram takes: known tags, closed in order."""
    text, open_tags, end = [], [], 0
    for match in TOKEN.finditer(message):
        assert match.start() == end, message[end : end + 40]
        end = match.end()
        closing, tag, link, _, unlink = match.groups()
        if link or (tag and not closing):
            open_tags.append(link or tag)
        elif unlink or tag:
            assert open_tags.pop() == (unlink or tag)
        else:
            text.append(unescape(match[0]))
    assert end == len(message)
    assert not open_tags
    return "".join(text).replace(JOINER, "")


def parts_of(made: tuple[str, ...]) -> list[str]:
    """Return the texts of messages without their numbers. Fails when the numbers are wrong."""
    if len(made) == 1:
        return [plain(made[0])]
    for number, text in enumerate(made, 1):
        assert text.startswith(f"({number}/{len(made)})\n")
    return [plain(text).split("\n", 1)[1] for text in made]


def check(digest, made):
    for text in made:
        assert units(text) <= limits.TELEGRAM_CHARS
        assert len(re.findall("<[abi]", text)) <= ENTITIES
    whole = squeezed("".join(parts_of(made)))
    at = 0
    for item in page(digest, run=1).items:
        for line in (item.headline, *item.lines):
            wanted = squeezed(line.text)
            at = whole.index(wanted, at) + len(wanted)


def squeezed(text: str) -> str:
    return "".join(text.split())


def long_digest(stories, sentence, sentences=3, url_chars=0):
    desk = DigestDesk()
    for number in range(stories):
        text = f"№{number:04}. {sentence}".strip()
        url = f"https://e.org/{'a' * url_chars}{number}"
        post = desk.post("some_source", text, "ru", 1, url=url)
        desk.story("main", said(post), *(said(post) for _ in range(sentences)))
    return desk.digest()


def test_a_short_digest_is_one_message_without_a_number():
    made = messages(page(trilingual(), run=1))
    assert len(made) == 1
    assert made[0].startswith("<b>Сводка: daily</b>\nПонедельник, 2 ноября 2026\n")
    assert '<a href="https://courier.example/bridge?a=1&amp;b=2">[3]</a>' in made[0]
    check(trilingual(), made)


def test_messages_part_between_stories():
    digest = long_digest(40, "Слово за словом складывается длинная новость о городе. " * 4)
    made = messages(page(digest, run=1))
    assert len(made) > 3
    check(digest, made)
    for number, story in enumerate(digest.stories):
        headline = clean(story.headline.text)
        holding = [text for text in parts_of(made) if headline in " ".join(text.split())]
        assert len(holding) == 1, number
        assert " ".join(holding[0].split()).count(headline) == 4


def test_no_message_is_opened_before_the_last_is_full():
    digest = long_digest(40, "Слово за словом складывается длинная новость о городе. " * 4)
    made = messages(page(digest, run=1))
    story_units = units(made[1]) / made[1].count("<b>")
    assert all(units(text) > limits.TELEGRAM_CHARS - 1.5 * story_units for text in made[:-1])


def test_a_story_too_long_for_a_message_parts_between_sentences():
    digest = long_digest(1, "Слово " * 60, sentences=30)
    made = messages(page(digest, run=1))
    assert len(made) > 2
    check(digest, made)
    assert all(" ".join(text.split()).endswith("Слово. [1]") for text in parts_of(made)[:-1])


def test_a_word_longer_than_a_message_is_cut_and_keeps_every_character():
    digest = long_digest(1, "😀&" * 6_000, sentences=0)
    made = messages(page(digest, run=1))
    assert len(made) > 8
    for text in made:
        assert units(text) <= limits.TELEGRAM_CHARS
    assert sum(plain(text).count("😀") for text in made) == 6_000


def test_no_message_has_more_entities_than_telegram_keeps():
    desk = DigestDesk()
    posts = [desk.post("s_s", "Да.", "ru", 1, url=f"https://e.org/{n}") for n in range(150)]
    citations = tuple(Citation(post.id, (0, 3), "Да.") for post in posts)
    desk.story("main", Sentence("Да.", citations))
    digest = desk.digest()
    made = messages(page(digest, run=1))
    assert sum(text.count("<a ") for text in made) == 150
    check(digest, made)


def test_an_address_too_long_for_telegram_leaves_a_bare_mark():
    made = messages(page(long_digest(2, "Да.", url_chars=1_500), run=1))
    assert "<a" not in "".join(made)
    assert "[2]" in made[0]


def test_telegram_finds_no_address_of_its_own_in_a_post():
    made = messages(page(hostile(), run=1))
    check(hostile(), made)
    shown = unescape(re.sub(r"<[^>]*>", "", "\n".join(made)))
    # What TDLib takes for links: a host with a dot, a scheme, a mention, a command, an address with four numbers.
    assert not re.search(r"[\w-]\.[^\W\d]", shown)
    assert "://" not in shown
    assert not re.search(r"(?<!\w)[@/#]\w", shown)
    assert not re.search(r"\d\.\d+\.\d+\.\d", shown)
    assert "<a" not in "".join(made)


def test_an_address_cut_in_two_is_still_none():
    made = messages(page(long_digest(1, "a" * 990 + ".example/" + "b" * 2_000, sentences=0), run=1))
    assert f"a.{JOINER}example" in re.sub("<[^>]*>", "", "".join(made))


@settings(max_examples=60)
@given(
    st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=600)), min_size=1, max_size=12),
    st.integers(1, 40),
)
def test_no_sentence_is_lost_and_no_message_is_too_long(texts, times):
    digest = hostile([" ".join([text] * times) or "x" for text in texts], ["https://e.org/?a=1&b=2", None])
    check(digest, messages(page(digest, run=1)))


@settings(max_examples=30)
@given(st.integers(0, 60), st.integers(1, 12), st.integers(0, 6), st.integers(0, 1_100))
def test_digests_of_every_size_fit(stories, words, sentences, url_chars):
    digest = long_digest(stories, "Слово 😀 " * words, sentences=sentences, url_chars=url_chars)
    check(digest, messages(page(digest, run=1)))
