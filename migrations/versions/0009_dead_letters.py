"""Letters by the issue's states, with payload, place and order; the audit; what an operator set for one run."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

OPEN = sa.text("state IN ('pending', 'leased', 'scheduled', 'permanent')")
OPEN_BEFORE = sa.text("state IN ('scheduled', 'replaying', 'permanent')")
INDEXES = (
    ("ix_dead_letter_waiting", ["tenant_id", "id"], OPEN),
    ("ix_dead_letter_under_way", ["task", "row_id"], sa.text("state IN ('pending', 'leased')")),
    ("ix_dead_letter_closed", ["updated_at"], sa.text("state IN ('resolved', 'discarded')")),
    ("ix_dead_letter_lane", ["lane", "turn"], sa.text("lane IS NOT NULL")),
    ("ix_dead_letter_bulk", ["bulk_id", "next_at"], sa.text("bulk_id IS NOT NULL")),
)


def upgrade() -> None:
    json = postgresql.JSONB(astext_type=sa.Text())
    moment = sa.DateTime(timezone=True)
    for column in (
        sa.Column("place", sa.Text(), server_default="", nullable=False),
        sa.Column("payload", json, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("lane", sa.Text(), nullable=True),
        sa.Column("turn", moment, nullable=True),
        sa.Column("bulk_id", sa.BigInteger(), nullable=True),
        sa.Column("failed_at", moment, server_default=sa.text("now()"), nullable=False),
    ):
        op.add_column("dead_letter", column)
    op.drop_index("uq_dead_letter_open", table_name="dead_letter", postgresql_where=OPEN_BEFORE)
    op.execute("UPDATE dead_letter SET failed_at = updated_at")
    op.execute("UPDATE dead_letter SET state = 'pending' WHERE state = 'replaying'")
    op.create_index(
        "uq_dead_letter_open", "dead_letter", ["task", "row_id"], unique=True, postgresql_where=OPEN
    )
    for name, columns, where in INDEXES:
        op.create_index(name, "dead_letter", columns, unique=False, postgresql_where=where)
    op.add_column("run", sa.Column("changed", json, server_default=sa.text("'{}'"), nullable=False))
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=True),
        sa.Column("at", moment, nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("letter_id", sa.BigInteger(), nullable=True),
        sa.Column("task", sa.Text(), nullable=True),
        sa.Column("row_id", sa.BigInteger(), nullable=True),
        sa.Column("before", json, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("after", json, server_default=sa.text("'{}'"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_audit_tenant_id_tenant"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_tenant_id_id", "audit", ["tenant_id", "id"], unique=False)
    op.create_index(
        "ix_audit_letter_id",
        "audit",
        ["letter_id", "id"],
        unique=False,
        postgresql_where=sa.text("letter_id IS NOT NULL"),
    )
    op.create_index("ix_audit_at", "audit", ["at"], unique=False)


def downgrade() -> None:
    op.drop_table("audit")
    op.drop_column("run", "changed")
    op.drop_index("uq_dead_letter_open", table_name="dead_letter", postgresql_where=OPEN)
    for name, _, where in INDEXES:
        op.drop_index(name, table_name="dead_letter", postgresql_where=where)
    op.execute("UPDATE dead_letter SET state = 'replaying' WHERE state IN ('pending', 'leased')")
    op.create_index(
        "uq_dead_letter_open", "dead_letter", ["task", "row_id"], unique=True, postgresql_where=OPEN_BEFORE
    )
    for column in ("failed_at", "bulk_id", "turn", "lane", "payload", "place"):
        op.drop_column("dead_letter", column)
