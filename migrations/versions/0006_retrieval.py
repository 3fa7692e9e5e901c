"""Generations of vectors, the work of filling them, the default store's postings, and the full-text index."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _tenant(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id"], ["tenant.id"], name=op.f(f"fk_{table}_tenant_id_tenant"), ondelete="CASCADE"
    )


def upgrade() -> None:
    op.create_table(
        "vector_shelf",
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("maker", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("collection", "generation", name=op.f("pk_vector_shelf")),
    )
    op.create_index(
        "uq_vector_shelf_live",
        "vector_shelf",
        ["collection"],
        unique=True,
        postgresql_where=sa.text("state = 'live'"),
    )
    op.create_table(
        "vector_due",
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        _tenant("vector_due"),
        sa.PrimaryKeyConstraint("collection", "generation", "item_id", name=op.f("pk_vector_due")),
    )
    op.create_index("ix_vector_due_next", "vector_due", ["tenant_id", "next_at"], unique=False)
    op.create_table(
        "vector_segment",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        _tenant("vector_segment"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vector_segment")),
    )
    # Postings hardly compress, and compressing them takes longer than writing them.
    op.execute("ALTER TABLE vector_segment ALTER COLUMN body SET STORAGE EXTERNAL")
    op.create_index(
        "ix_vector_segment_shard",
        "vector_segment",
        ["tenant_id", "collection", "generation", "place"],
        unique=False,
    )
    op.create_table(
        "post_text",
        sa.Column("post_id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("lang", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lexemes", postgresql.TSVECTOR(), nullable=False),
        sa.ForeignKeyConstraint(
            ["post_id"], ["post.id"], name=op.f("fk_post_text_post_id_post"), ondelete="CASCADE"
        ),
        _tenant("post_text"),
        sa.PrimaryKeyConstraint("post_id", name=op.f("pk_post_text")),
    )
    op.create_index("ix_post_text_lexemes", "post_text", ["lexemes"], unique=False, postgresql_using="gin")
    op.create_index("ix_post_text_tenant_id", "post_text", ["tenant_id"], unique=False)


def downgrade() -> None:
    for table in ("post_text", "vector_segment", "vector_due", "vector_shelf"):
        op.drop_table(table)
