import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from agents import critic, planner, retriever, writer
from agents.critic import Verified
from domains import verify
from domains.digest import Briefing, Citation, Draft, Sentence, Settings, StoryFacts
from domains.domain import DIGEST
from domains.post import Post
from domains.survey import survey
from domains.terms import Lexicon
from domains.verify import Evidence
from domains.window import Window

T = TypeVar("T")
DAY = Window(datetime(2026, 11, 2, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC))
_SENTENCE = re.compile(r"[^\s.!?][^.!?\n]*(?:[.!?](?=\d)[^.!?\n]*)*[.!?]*")


class PlainLanguage:
    """Sentences by a regular expression, words as they are: enough to test decisions, none of linguistics."""

    def detect(self, text: str) -> str:
        if re.search("[іїєґ]", text):
            return "uk"
        return "ru" if re.search("[а-я]", text) else "en"

    def lemma(self, word: str, lang: str) -> str:
        return word

    def sentences(self, text: str, lang: str) -> tuple[tuple[int, int], ...]:
        return tuple(match.span() for match in _SENTENCE.finditer(text))


class MemoryJournal:
    def __init__(self, steps: dict[str, bytes] | None = None) -> None:
        self.steps = dict(steps or {})
        self.computed: list[str] = []

    def step(self, name: str, kind: type[T], compute: Callable[[], T]) -> T:
        if name not in self.steps:
            self.computed.append(name)
            self.steps[name] = msgspec.json.encode(compute())
        return msgspec.json.decode(self.steps[name], type=kind)


class Desk:
    """Builds a window's posts and stories in a few words each."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.stories: dict[int, StoryFacts] = {}
        self.language = PlainLanguage()

    def post(
        self, text: str, *, story: int | None = None, source: str = "wire", hour: float = 8.0, **more: Any
    ) -> Post:
        number = len(self.posts) + 1
        lang = more.pop("lang", None) or self.language.detect(text)
        made = Post(
            id=number,
            ref=f"{source}/{number}",
            source=source,
            family=more.pop("family", source),
            at=DAY.start + timedelta(hours=hour),
            text=text,
            lang=lang,
            sha256=f"{number:064x}",
            story=story,
            sentences=more.pop("sentences", self.language.sentences(text, lang)),
            **more,
        )
        self.posts.append(made)
        if story is not None:
            self.tell(story)
        return made

    def tell(self, story: int, told: tuple[str, ...] = ()) -> None:
        old = self.stories.get(story)
        members = [post for post in self.posts if post.story == story]
        self.stories[story] = StoryFacts(
            id=story,
            title=f"story {story}",
            first_at=DAY.start - timedelta(days=1) if told else members[0].at,
            last_at=members[-1].at,
            posts=tuple(post.id for post in members),
            told=told or (old.told if old else ()),
            last_told_at=DAY.start if told or (old and old.told) else None,
        )

    def happening(self, story: int, lead: str, detail: str, sources: int = 2, hour: float = 8.0) -> None:
        """A story that ``sources`` publishers tell, each in a post of its own."""
        for number in range(sources):
            more = f"Source {number} counted {story * 100 + number} witnesses near the place."
            self.post(f"{lead}. {detail} {more}", story=story, source=f"wire{number}", hour=hour + number)

    def briefing(self, settings: Settings | None = None, **changes: Any) -> Briefing:
        made = Briefing(
            window=DAY,
            zone="UTC",
            subscription="test",
            posts=tuple(self.posts),
            stories=tuple(self.stories.values()),
            settings=settings or Settings(),
            repeats={},
        )
        return replace(made, **changes)


INVENTED = Sentence("Nobody ever said this", (Citation(1, (0, 21), "Nobody ever said this"),))
SUBJECTS = (
    ("Flood cut the Zavodska bridge in Solvych", "Engineers closed both lanes until Friday."),
    ("Council raised bus fares to 15 hryvnias", "Pupils keep the reduced ticket."),
    ("Museum of Glass opened in Luhva", "Visitors saw 300 vases on the first day."),
    ("Hockey club Falcon won the regional cup", "Goalkeeper Marchenko saved two penalties."),
    ("Wildfire destroyed a sawmill near Pine Hill", "Crews from four towns fought flames overnight."),
    ("University found a bronze age settlement", "Archaeologists unearthed pottery beneath a car park."),
    ("Hospital number two got a new scanner", "Doctors expect shorter queues for patients."),
    ("Power cut left northern districts dark", "Electricians repaired the substation at noon."),
    ("Court fined a dairy for spoiled milk", "Inspectors traced bad cartons to one plant."),
    ("Airport resumed flights to Warsaw", "Tickets went on sale on Monday."),
    ("Zoo welcomed twin lynx kittens", "Keepers named them after local rivers."),
    ("Railway replaced old carriages on route nine", "Passengers praised wider seats."),
    ("Bakers protested against flour prices", "Shops in the centre stayed shut."),
    ("Teachers received overdue wages", "Treasury transferred money on Thursday."),
)


def desk_of(desk: Desk, settings: Settings | None = None) -> writer.Desk:
    facts = survey(desk.briefing(settings))
    wish = settings or Settings()
    lexicon = Lexicon(PlainLanguage())
    plan = planner.plan(facts, wish)
    plan, shelf = planner.settle(plan, facts, retriever.gather(plan, facts, wish, lexicon))
    return writer.Desk(plan, shelf, facts, lexicon)


def judged(draft: Draft, held: Evidence) -> Verified:
    return Verified(draft, verify.verify(draft, held, DIGEST.checks))


def prepared(busy: Desk) -> tuple[writer.Desk, Evidence, Draft]:
    before = desk_of(busy)
    return before, critic.evidence(before, PlainLanguage()), writer.write(writer.SUBMODULAR, before)
