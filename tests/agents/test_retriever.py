from windowdesk import SUBJECTS, Desk, PlainLanguage

from agents import planner, retriever
from domains.digest import Settings
from domains.survey import survey
from domains.terms import Lexicon

LEAD, DETAIL = SUBJECTS[0]


def shelf(desk: Desk, settings: Settings | None = None) -> retriever.Shelf:
    facts = survey(desk.briefing(settings))
    wish = settings or Settings()
    return retriever.gather(planner.plan(facts, wish), facts, wish, Lexicon(PlainLanguage()))


def test_each_family_has_a_voice_before_any_has_two(desk: Desk) -> None:
    for number in range(4):
        desk.post(f"{LEAD}. {DETAIL} Update {number}.", story=1, source="a", hour=number)
    rival = desk.post(f"{LEAD}. Divers inspect the pillars.", story=1, source="b", hour=9)
    posts = retriever.in_turn(desk.posts, 2)
    assert [post.family for post in posts] == ["a", "b"]
    assert rival.id in shelf(desk).folders[0].documents


def test_repeats_and_advertisements_are_never_read(desk: Desk) -> None:
    desk.happening(1, LEAD, DETAIL)
    desk.post(f"{LEAD}.", story=1, source="c", duplicate_of=1)
    desk.post(f"{LEAD}, buy ceilings.", story=1, source="d", boilerplate="an advertisement")
    assert set(shelf(desk).folders[0].documents) == {1, 2}


def test_a_stray_post_does_not_speak_for_its_story(desk: Desk) -> None:
    stray = desk.post("Tomato prices doubled at the southern market", story=1, source="a", hour=1)
    for number, source in enumerate("bcdefg"):
        desk.post(f"{LEAD}. {DETAIL} Witness {number}.", story=1, source=source, hour=2 + number)
    folder = shelf(desk).folders[0]
    assert stray.id not in folder.documents
    assert len(folder.documents) == 5


def test_a_chat_is_quoted_only_when_no_channel_can_be(desk: Desk) -> None:
    for number in range(4):
        desk.post(
            f"Neighbour {number} saw the flood at the Zavodska bridge.",
            story=1,
            source="chat",
            author=f"person {number}",
            reply_to="chat/1",
            hour=number,
        )
    assert len(shelf(desk).folders[0].documents) == 2
    channel = desk.post(f"{LEAD}. {DETAIL}", story=1, source="wire", hour=6)
    assert shelf(desk).folders[0].documents == (channel.id,)


def test_a_story_is_told_in_the_subscribers_first_language(desk: Desk) -> None:
    for number in range(3):
        desk.post(f"{LEAD}. {DETAIL} Witness {number}.", story=1, source=f"en{number}")
    uk = desk.post("Повінь перекрила Заводський міст у Сольвичі. Рух закрито.", story=1, source="uk")
    assert shelf(desk).folders[0].lang == "en"
    preferred = shelf(desk, Settings(languages=("uk", "en"))).folders[0]
    assert (preferred.lang, preferred.documents) == ("uk", (uk.id,))


def test_twins_point_to_the_more_important_story(desk: Desk) -> None:
    desk.happening(1, LEAD, DETAIL, sources=2)
    desk.happening(2, f"{LEAD}, rescuers say", DETAIL, sources=4)
    desk.happening(3, *SUBJECTS[1], sources=3)
    assert shelf(desk).twins == {1: 2}


def test_told_lines_are_not_on_the_shelf_and_news_is_measured(desk: Desk) -> None:
    desk.post(f"{LEAD}. {DETAIL} Divers recovered an excavator. Pupils got 2 days off.", story=1, source="a")
    desk.tell(1, (LEAD, DETAIL))
    folder = shelf(desk).folders[0]
    quotes = [desk.posts[0].quote(line.span) for line in folder.lines]
    assert quotes == ["Divers recovered an excavator.", "Pupils got 2 days off."]
    assert folder.lines[0].novelty == 1.0
    assert folder.lines[0].place == 2


def test_a_title_is_marked(desk: Desk) -> None:
    desk.post(f"{LEAD}\n{DETAIL}", story=1, source="feed", title=LEAD)
    desk.post(f"{LEAD}\n{DETAIL}", story=1, source="wire")
    lines = shelf(desk).folders[0].lines
    assert [line.title for line in lines if line.post == 1] == [True, False]
    assert not any(line.title for line in lines if line.post == 2)


def test_twins_are_told_in_the_subscribers_first_language(desk: Desk) -> None:
    en = "Luhva beat Avanhard 4-3 on penalties in Trostyn. Keeper Denys Rakochii saved two for Luhva."
    ru = "Вчера «Лугва» прошла «Авангард» по пенальти 4:3 в Тростыне. Вратарь Денис Ракочий отбил два."
    told = desk.post(en, story=1, source="wire0", hour=9)
    for source in ("wire1", "wire2"):
        desk.post(ru, story=2, source=source, hour=8)
    folder = shelf(desk, Settings(languages=("en", "ru"))).folders[0]
    assert (folder.story, folder.lang, folder.documents) == (1, "en", (told.id,))
