"""Stories that parted."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "story_split",
        sa.Column("story_id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("of_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("of_id < story_id", name=op.f("ck_story_split_younger")),
        _story("story_id"),
        _story("of_id"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_story_split_tenant_id_tenant"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("story_id", name=op.f("pk_story_split")),
    )
    op.create_index("ix_story_split_of_id", "story_split", ["of_id"])
    op.create_index("ix_story_split_tenant_id", "story_split", ["tenant_id"])


def downgrade() -> None:
    op.drop_table("story_split")


def _story(column: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_story_split_{column}_story")
    return sa.ForeignKeyConstraint([column], ["story.id"], name=name, ondelete="CASCADE")
