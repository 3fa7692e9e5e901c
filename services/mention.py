"""The tables of entities: who and what posts name. Postgres is the truth, `services.graph` shows it as a graph."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from services.schema import Base, owned


class Entity(Base):
    """Whom or what a tenant's posts name; ``key`` is what tells it (`domains.entity`), ``name`` how it is shown.

    ``kind`` is "name" until a post tells what it names. One that no post names any more stays, and harms nobody.
    """

    __tablename__ = "entity"
    __table_args__ = (UniqueConstraint("tenant_id", "key"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = owned()
    key: Mapped[str]
    kind: Mapped[str]
    name: Mapped[str]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]


class MentionRow(Base):
    """That a post's newest version names an entity, at a span of its text; ``at`` is the post's time.

    ``origin`` says who found it: rule, or model.
    """

    __tablename__ = "mention"
    __table_args__ = (
        Index("ix_mention_entity_id_at", "entity_id", "at"),
        Index("ix_mention_tenant_id_at", "tenant_id", "at"),
    )
    post_id: Mapped[int] = mapped_column(ForeignKey("post.id", ondelete="CASCADE"), primary_key=True)
    start: Mapped[int] = mapped_column(Integer, primary_key=True)
    end: Mapped[int] = mapped_column(Integer)
    entity_id: Mapped[int] = mapped_column(ForeignKey("entity.id", ondelete="CASCADE"))
    tenant_id: Mapped[int] = owned()
    at: Mapped[datetime]
    origin: Mapped[str] = mapped_column(server_default=sql("'rule'"))
