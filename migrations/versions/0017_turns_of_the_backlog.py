"""Take the next batch of vectors to be put without looking at all that wait: a rebuild makes a million due at once."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_vector_due_turn", "vector_due", ["tenant_id", "next_at", "item_id"])
    op.drop_index("ix_vector_due_next", table_name="vector_due")


def downgrade() -> None:
    op.create_index("ix_vector_due_next", "vector_due", ["tenant_id", "next_at"])
    op.drop_index("ix_vector_due_turn", table_name="vector_due")
