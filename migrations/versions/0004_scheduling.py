"""Phrases, quiet hours, and what is paused or removed."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "source", sa.Column("paused", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("source", sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("subscription", sa.Column("phrase", sa.Text(), nullable=True))
    op.add_column("subscription", sa.Column("quiet_hours", sa.Text(), nullable=True))
    op.add_column("subscription", sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("run", sa.Column("silent", sa.Boolean(), server_default=sa.text("false"), nullable=False))


def downgrade() -> None:
    op.drop_column("run", "silent")
    op.drop_column("subscription", "removed_at")
    op.drop_column("subscription", "quiet_hours")
    op.drop_column("subscription", "phrase")
    op.drop_column("source", "removed_at")
    op.drop_column("source", "paused")
