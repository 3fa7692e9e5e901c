"""Stories that became one, and which told story each one shipped continued."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "story_redirect",
        sa.Column("story_id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("into_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("into_id < story_id", name=op.f("ck_story_redirect_older")),
        _story("story_redirect", "story_id"),
        _story("story_redirect", "into_id"),
        _tenant("story_redirect"),
        sa.PrimaryKeyConstraint("story_id", name=op.f("pk_story_redirect")),
    )
    op.create_index("ix_story_redirect_into_id", "story_redirect", ["into_id"])
    op.create_index("ix_story_redirect_tenant_id", "story_redirect", ["tenant_id"])
    op.create_table(
        "story_thread",
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("story_id", sa.BigInteger(), nullable=False),
        sa.Column("of_id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_story_thread_run_id_run"), ondelete="CASCADE"
        ),
        _tenant("story_thread"),
        sa.PrimaryKeyConstraint("run_id", "story_id", "of_id", name=op.f("pk_story_thread")),
    )
    op.create_index("ix_story_thread_tenant_id", "story_thread", ["tenant_id"])


def downgrade() -> None:
    for table in ("story_thread", "story_redirect"):
        op.drop_table(table)


def _story(table: str, column: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_story")
    return sa.ForeignKeyConstraint([column], ["story.id"], name=name, ondelete="CASCADE")


def _tenant(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_tenant_id_tenant")
    return sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=name, ondelete="CASCADE")
