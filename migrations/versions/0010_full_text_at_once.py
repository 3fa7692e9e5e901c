"""Put words into the full-text index at once: a list that waits is read by every search, and the planner shuns it."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER INDEX ix_post_text_lexemes SET (fastupdate = off)")
    op.execute("SELECT gin_clean_pending_list('ix_post_text_lexemes')")
    # Which words are common decides which are looked up: ten times as many as by default are remembered.
    op.execute("ALTER TABLE post_text ALTER COLUMN lexemes SET STATISTICS 1000")


def downgrade() -> None:
    op.execute("ALTER TABLE post_text ALTER COLUMN lexemes SET STATISTICS -1")
    op.execute("ALTER INDEX ix_post_text_lexemes RESET (fastupdate)")
