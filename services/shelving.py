"""The tables of retrieval: all derived, `svodka index rebuild` fills them again from posts.

``vector_shelf`` says which generation of a collection answers; ``vector_due`` is the work of putting rows into the
generations (law 1); ``vector_segment`` holds the default store's postings; ``post_text`` is the full-text index.
"""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from domains.point import Collection, Shelf
from services.schema import Base, owned


class VectorShelf(Base):
    """A generation of a collection: ``building`` until it is switched to, then ``live``, then gone.

    ``maker`` names what made its vectors; another maker's vectors mean something else.
    """

    __tablename__ = "vector_shelf"
    __table_args__ = (
        Index("uq_vector_shelf_live", "collection", unique=True, postgresql_where=sql("state = 'live'")),
    )
    collection: Mapped[Collection] = mapped_column(Text, primary_key=True)
    generation: Mapped[int] = mapped_column(Integer, primary_key=True)
    state: Mapped[str]
    maker: Mapped[str]
    width: Mapped[int] = mapped_column(Integer, server_default="0")
    created_at: Mapped[datetime]

    @property
    def shelf(self) -> Shelf:
        """The generation as stores know it."""
        return Shelf(self.collection, self.generation, self.width)


class VectorDue(Base):
    """A row of a collection that has to be put into a generation, or taken out when it is no longer there.

    ``queued_at`` says for which state of the row; when it has moved on meanwhile, it stays due.
    """

    __tablename__ = "vector_due"
    # The order of turns: what was made due at one moment is not sorted again for each batch.
    __table_args__ = (Index("ix_vector_due_turn", "tenant_id", "next_at", "item_id"),)
    collection: Mapped[str] = mapped_column(primary_key=True)
    generation: Mapped[int] = mapped_column(Integer, primary_key=True)
    item_id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = owned()
    queued_at: Mapped[datetime]
    next_at: Mapped[datetime]


class VectorSegment(Base):
    """Immutable postings of one tenant (`domains.posting.Segment`), in the order of ``place``.

    ``body`` is read once a process, by way of a file of the name ``sha256``.
    """

    __tablename__ = "vector_segment"
    __table_args__ = (Index("ix_vector_segment_shard", "tenant_id", "collection", "generation", "place"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    collection: Mapped[str]
    generation: Mapped[int] = mapped_column(Integer)
    tenant_id: Mapped[int] = owned()
    place: Mapped[int]
    points: Mapped[int] = mapped_column(Integer)
    sha256: Mapped[str]
    body: Mapped[bytes]


class PostText(Base):
    """A post's content lemmas, each headed by its tenant, so that one index serves all and mixes none."""

    __tablename__ = "post_text"
    __table_args__ = (
        Index(
            "ix_post_text_lexemes",
            "lexemes",
            postgresql_using="gin",
            postgresql_with={"fastupdate": "off"},
        ),
        Index("ix_post_text_tenant_id", "tenant_id"),
    )
    post_id: Mapped[int] = mapped_column(ForeignKey("post.id", ondelete="CASCADE"), primary_key=True)
    tenant_id: Mapped[int] = owned()
    source_id: Mapped[int]
    lang: Mapped[str]
    at: Mapped[datetime]
    lexemes: Mapped[str] = mapped_column(TSVECTOR)
