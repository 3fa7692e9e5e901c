"""Watches, trends with their points, refusals and alerts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "watch",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("settled_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), server_default="due", nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("expiries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_watch_tenant_id_tenant"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_watch")),
        sa.UniqueConstraint("tenant_id", name=op.f("uq_watch_tenant_id")),
    )
    op.create_index(
        "ix_watch_polled",
        "watch",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('due', 'leased')"),
    )
    op.create_table(
        "trend",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("story_id", sa.BigInteger(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("p_value", sa.Float(), nullable=False),
        sa.Column("tests", sa.Integer(), nullable=False),
        sa.Column("families", sa.Integer(), nullable=False),
        sa.Column("posts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "also", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["story_id"], ["story.id"], name=op.f("fk_trend_story_id_story"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_trend_tenant_id_tenant"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trend")),
        sa.UniqueConstraint("tenant_id", "unit", "wave", name=op.f("uq_trend_tenant_id_unit_wave")),
    )
    op.create_index("ix_trend_tenant_id_began_at", "trend", ["tenant_id", "began_at"], unique=False)
    op.create_table(
        "trend_point",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("trend_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.Column("posts", sa.Integer(), nullable=False),
        sa.Column("families", sa.Integer(), nullable=False),
        sa.Column("velocity", sa.Float(), nullable=False),
        sa.Column("acceleration", sa.Float(), nullable=False),
        sa.Column("expected", sa.Float(), nullable=True),
        sa.Column("expected_low", sa.Integer(), nullable=True),
        sa.Column("expected_high", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["trend_id"], ["trend.id"], name=op.f("fk_trend_point_trend_id_trend"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trend_point")),
        sa.UniqueConstraint("trend_id", "at", "state", name=op.f("uq_trend_point_trend_id_at_state")),
    )
    op.create_table(
        "trend_refusal",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("p_value", sa.Float(), nullable=False),
        sa.Column("posts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_trend_refusal_tenant_id_tenant"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trend_refusal")),
        sa.UniqueConstraint("tenant_id", "unit", "at", name=op.f("uq_trend_refusal_tenant_id_unit_at")),
    )
    op.create_table(
        "trend_alert",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=False),
        sa.Column("trend_id", sa.BigInteger(), nullable=True),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["subscriber_id"],
            ["subscriber.id"],
            name=op.f("fk_trend_alert_subscriber_id_subscriber"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_trend_alert_tenant_id_tenant"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["trend_id"], ["trend.id"], name=op.f("fk_trend_alert_trend_id_trend"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trend_alert")),
        sa.UniqueConstraint(
            "subscriber_id", "unit", "wave", name=op.f("uq_trend_alert_subscriber_id_unit_wave")
        ),
    )
    op.create_index("ix_trend_alert_subscriber_id_at", "trend_alert", ["subscriber_id", "at"], unique=False)


def downgrade() -> None:
    op.drop_table("trend_alert")
    op.drop_table("trend_refusal")
    op.drop_table("trend_point")
    op.drop_table("trend")
    op.drop_table("watch")
