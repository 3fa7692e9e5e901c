"""A question from the door to the answer, whoever asks: the command line, the HTTP API.

session ─▶ route ─▶ retrieve ─▶ agents.answer (extract | fast | smart) ─▶ Told ─▶ row, session, metrics
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from agents import answer as answerer
from agents.answer import Room
from agents.interview import Interview
from domains import answer, answer_turn, domain
from domains.answer import (
    Answer,
    Found,
    Passage,
    Path,
    Question,
    Quote,
    Told,
    ToldMissing,
    ToldRoute,
    ToldSentence,
    ToldSource,
    ToldUsage,
)  # fmt: skip
from domains.errors import UsageError
from domains.intent import Routed, Turn
from domains.lexical import Lexical
from domains.llm import Gateway, Payer
from domains.post import Post
from domains.retrieval import Filters, Missing, Query
from domains.text import normalise
from monitoring import metrics
from services import post, query
from services.run import MemoryJournal
from services.wiring import World
from tasks import count
from tasks.route import route

# What models may take of one answer, all calls together; the extract needs what is left of five seconds.
MODEL_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Asking:
    """A question as it comes in. ``session`` is a name the client chose; ``key_id`` the API key that asks."""

    text: str
    filters: Filters = field(default_factory=Filters)
    path: Path = "auto"
    session: str | None = None
    key_id: int | None = None


@dataclass(slots=True)
class _Stages:
    """Seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict)
    missing: dict[str, Missing] = field(default_factory=dict)
    posts: dict[int, Post] = field(default_factory=dict)

    def add(self, name: str, seconds: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds


class Asker:
    """Answers questions of any tenant of one world; one per process, safe for threads."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lexical = Lexical(world.language.lemma)

    def ask(self, tenant_id: int, asking: Asking, note: Callable[[str], None] = lambda _: None) -> Told:
        """Return the answer; ``note`` is told each stage as it begins.

        Raises UsageError for a question that is none, Unavailable when Postgres is away.
        """
        began = time.perf_counter()
        world, text = self._world, _text(asking)
        request = secrets.token_hex(8)
        sessions = query.Sessions(world.memo, tenant_id)
        turns = sessions.turns(asking.session) if asking.session else ()
        note("route")
        stages = _Stages()
        routed = route(world, tenant_id, text, turns, request=request)
        before = routed.follows if routed.follows in turns else answer_turn.leaning(text, turns)
        stages.add("route", time.perf_counter() - began)
        question = Question(
            text,
            world.language.detect(text),
            asking.filters,
            asking.path,
            answer_turn.followed(text, before) if before else "",
            dangling=before is None and answer_turn.leans_on_person(text),
        )
        gateway = world.gateways.open(Payer(tenant_id, request))
        room = Room(
            question,
            domain.ANSWER,
            partial(self._read, tenant_id, question, stages, note),
            world.language,
            self._lexical,
            _interview(gateway),
            before,
        )
        note("answer")
        made = answerer.respond(room)
        total = time.perf_counter() - began
        stages.add("answer", total - sum(stages.seconds.values()))
        stages.add("total", total)
        told = _told(request, asking, text, made, routed, before, stages)
        told = self._kept(tenant_id, asking, told, gateway)
        if asking.session:
            name = before.route if before else routed.route
            sessions.add(asking.session, turns, Turn(answer_turn.kept(text, before), name, world.clock.now()))
        self._counted(asking, told, made, modelled=gateway is not None)
        return told

    def _read(
        self, tenant_id: int, question: Question, stages: _Stages, note: Callable[[str], None], text: str
    ) -> Found:
        """Return the posts found for ``text``, which are the tenant's and pass the question's filters."""
        note("retrieve")
        began = time.perf_counter()
        world = self._world
        found = world.retriever.search(Query(tenant_id, text, question.filters, domain="answer"))
        with world.database.transaction() as session:
            posts = post.read(session, tenant_id, [hit.post_id for hit in found.hits])
        stages.posts |= posts
        stages.missing |= {one.leg: one for one in found.missing}
        passages = [Passage(posts[hit.post_id], hit.score) for hit in found.hits if hit.post_id in posts]
        stages.add("retrieve", time.perf_counter() - began)
        return Found(tuple(passages), found.missing, found.cached)

    def _kept(self, tenant_id: int, asking: Asking, told: Told, gateway: Gateway | None) -> Told:
        world = self._world
        with world.database.transaction() as session:
            if gateway is not None:
                calls, tokens = query.spent(session, tenant_id, told.request)
                told = replace(told, usage=replace(told.usage, calls=calls, tokens=tokens))
            query.note(session, tenant_id, told, at=world.clock.now(), key_id=asking.key_id)
        return told

    def _counted(self, asking: Asking, told: Told, made: Answer, *, modelled: bool) -> None:
        meter, usage = self._world.meter, told.usage
        # A model that failed, or had nothing that held, was waited for all the same: its path was taken.
        taken = told.path
        if taken == "extractive" and modelled:
            taken = "smart" if told.escalation or asking.path == "smart" else "fast"
        count.request(
            meter,
            taken,
            seconds=told.timing["total"],
            calls=usage.calls,
            tokens=usage.tokens,
            steps=usage.steps,
            over=made.over_budget,
            level=told.path,
            lifted=bool(told.escalation),
        )
        state = "hold" if not told.known else "degraded" if told.degraded else "ship"
        meter.count(metrics.RUNS, domain="answer", state=state)


def _text(asking: Asking) -> str:
    text = normalise(asking.text)
    if not text:
        raise UsageError("the question is empty", remedy="ask in words")
    if len(text) > answer.QUESTION_CHARS:
        raise UsageError(
            f"the question has {len(text)} characters, of at most {answer.QUESTION_CHARS}",
            remedy="ask a shorter one: this is no place for documents",
        )
    return text


def _interview(gateway: Gateway | None) -> Interview | None:
    if gateway is None:
        return None
    return Interview(gateway, MemoryJournal(), secrets.token_bytes(16), MODEL_S)


def _told(
    request: str,
    asking: Asking,
    text: str,
    made: Answer,
    routed: Routed,
    before: Turn | None,
    stages: _Stages,
) -> Told:
    cited = dict.fromkeys(one.post for sentence in made.sentences for one in sentence.citations)
    posts = [stages.posts[row] for row in cited]
    return Told(
        request=request,
        question=text,
        known=made.known,
        answer="\n".join(sentence.text for sentence in made.sentences),
        sentences=tuple(
            ToldSentence(
                sentence.text,
                tuple(Quote(stages.posts[one.post].ref, one.span, one.quote) for one in sentence.citations),
            )
            for sentence in made.sentences
        ),
        sources=tuple(ToldSource(one.ref, one.source, one.at, one.lang, one.url) for one in posts),
        route=ToldRoute(routed.route, routed.by, routed.confidence, routed.why),
        path=made.path,
        rung=made.rung,
        support=made.support,
        score=made.score,
        why=made.why,
        usage=ToldUsage(made.calls, made.tokens, made.steps),
        timing=query.timing(stages.seconds),
        escalation=made.escalation,
        missing=tuple(ToldMissing(one.leg, one.why) for one in stages.missing.values()),
        degraded=bool(stages.missing),
        session=asking.session,
        follows=answer_turn.subject(before) if before else "",
    )
