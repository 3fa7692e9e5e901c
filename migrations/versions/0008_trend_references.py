"""Indexes for what refers to stories and trends that go."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_trend_story_id", "trend", ["story_id"], unique=False)
    op.create_index("ix_trend_alert_trend_id", "trend_alert", ["trend_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_trend_alert_trend_id", table_name="trend_alert")
    op.drop_index("ix_trend_story_id", table_name="trend")
