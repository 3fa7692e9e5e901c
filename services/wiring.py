"""The composition root: what one process works with, built once, after the fork."""

import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

from domains.entity import Finder
from domains.errors import Refused
from domains.lexical import Lexical
from domains.point import Store
from domains.ports import Channel, Clock, Language
from monitoring.meter import Meter
from services import gazetteer, graph
from services.cache import Cache
from services.channel.factory import channels
from services.database import Database
from services.embedding import open_embedder
from services.fetch import Fetcher
from services.graph import Graph, NoGraph
from services.index import Indexer
from services.intake import Intake
from services.language import OfflineLanguage
from services.llm.factory import Gateways
from services.memo import Memo, connect
from services.postings import Postings
from services.render import Renderer
from services.retrieval import Retriever
from services.settings import Settings
from services.vectors import Vectors
from services.watch import Watcher


@dataclass(frozen=True, slots=True)
class World:
    """Everything outside, as one bundle."""

    settings: Settings
    clock: Clock
    rng: random.Random
    database: Database
    language: Language
    intake: Intake
    indexer: Indexer
    watcher: Watcher
    renderer: Renderer
    channels: Mapping[str, Channel]
    gateways: Gateways
    memo: Memo
    meter: Meter
    vectors: Vectors
    retriever: Retriever
    graph: Graph | NoGraph

    def channel(self, name: str) -> Channel:
        """Return a channel. Raises Refused when this installation has none of that name."""
        if name not in self.channels:
            raise Refused(f"no channel {name!r} here", remedy=f"one of: {', '.join(sorted(self.channels))}")
        return self.channels[name]

    def close(self) -> None:
        """Close every connection."""
        self.intake.fetcher.close()
        self.memo.close()
        self.meter.close()
        self.vectors.close()
        self.graph.close()
        self.database.dispose()


def build(settings: Settings, clock: Clock, rng: random.Random) -> World:
    """Return a world on the settings' database. Nothing is connected before it is first used.

    Raises Refused when there is no database: the embedded one is started by whoever calls.
    """
    if settings.database_url is None:
        raise Refused("no database is set", remedy="start `svodka up`, or set SVODKA_DATABASE_URL")
    database = Database(settings.database_url.get_secret_value())
    language = OfflineLanguage()
    meter = Meter(settings.counters)
    fetcher = Fetcher(
        settings.user_agent,
        allow_private=settings.allow_private_addresses,
        clock=clock,
        host_interval_s=settings.host_interval_s,
    )
    lexical = Lexical(language.lemma)
    vectors = Vectors(database, clock, _store(settings, database), lexical, open_embedder(settings))
    memo = connect(settings.redis_url.get_secret_value() if settings.redis_url else None)
    drawn = graph.connect(database, clock, settings)
    return World(
        settings=settings,
        clock=clock,
        rng=rng,
        database=database,
        language=language,
        intake=Intake(database, clock, fetcher, settings.lease_s, meter),
        indexer=Indexer(database, clock, language, settings.lease_s, Finder(gazetteer.build())),
        watcher=Watcher(database, clock, settings.lease_s, meter),
        renderer=Renderer(),
        channels=channels(settings, sys.stdout, clock),
        gateways=Gateways(settings, database, clock, rng, meter),
        meter=meter,
        memo=memo,
        vectors=vectors,
        retriever=Retriever(
            database,
            vectors,
            lexical,
            language,
            Cache(memo.below("retrieval:"), clock, meter=meter),
            drawn if isinstance(drawn, Graph) else None,
        ),
        graph=drawn,
    )


def _store(settings: Settings, database: Database) -> Store:
    """Return where vectors are kept: a Qdrant server if one is set, else PostgreSQL."""
    if settings.qdrant_url:
        key = settings.qdrant_key
        # Loaded where it is used: Qdrant's client takes a second and 50 MB.
        server: Store = import_module("services.qdrant").at(
            settings.qdrant_url, key.get_secret_value() if key else None
        )
        return server
    return Postings(database, settings.var / "postings")
