"""Episodes, subscribers' signals, and personas."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "episode",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("subscription_id", sa.BigInteger(), nullable=True),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column(
            "payload", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("octet_length(payload::text) <= 8192", name=op.f("ck_episode_payload_size")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_episode_run_id_run"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscription.id"],
            name=op.f("fk_episode_subscription_id_subscription"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_episode_tenant_id_tenant"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_episode")),
    )
    op.create_index("ix_episode_at", "episode", ["at"], unique=False)
    op.create_index("ix_episode_run_id", "episode", ["run_id"], unique=False)
    op.create_index(
        "ix_episode_subscription_id_at_id", "episode", ["subscription_id", "at", "id"], unique=False
    )
    op.create_index("ix_episode_tenant_id_at_id", "episode", ["tenant_id", "at", "id"], unique=False)
    op.create_index(
        "ix_episode_tenant_id_kind_at_id", "episode", ["tenant_id", "kind", "at", "id"], unique=False
    )
    op.create_table(
        "persona",
        sa.Column("subscriber_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "vector", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("summary", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "evidence",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
        sa.Column(
            "languages",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
        sa.Column("sentences", sa.Integer(), nullable=True),
        sa.Column("last_signal_id", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscriber_id"],
            ["subscriber.id"],
            name=op.f("fk_persona_subscriber_id_subscriber"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("subscriber_id", name=op.f("pk_persona")),
    )
    op.create_index("ix_persona_computed_at", "persona", ["computed_at"], unique=False)
    op.create_table(
        "signal",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target_kind", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.Column("lang", sa.Text(), server_default="und", nullable=False),
        sa.Column(
            "sources", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False
        ),
        sa.Column("sentences", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["subscriber_id"],
            ["subscriber.id"],
            name=op.f("fk_signal_subscriber_id_subscriber"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signal")),
    )
    op.create_index(
        "ix_signal_ageing",
        "signal",
        ["at"],
        unique=False,
        postgresql_where=sa.text("kind IN ('open', 'rate')"),
    )
    op.create_index("ix_signal_subscriber_id_at_id", "signal", ["subscriber_id", "at", "id"], unique=False)
    op.create_index(
        "ix_signal_wish",
        "signal",
        ["subscriber_id", "target_kind", "target", "at", "id"],
        unique=False,
        postgresql_where=sa.text("kind IN ('follow', 'mute')"),
    )


def downgrade() -> None:
    op.drop_index(
        "ix_signal_wish", table_name="signal", postgresql_where=sa.text("kind IN ('follow', 'mute')")
    )
    op.drop_index("ix_signal_subscriber_id_at_id", table_name="signal")
    op.drop_index(
        "ix_signal_ageing", table_name="signal", postgresql_where=sa.text("kind IN ('open', 'rate')")
    )
    op.drop_table("signal")
    op.drop_index("ix_persona_computed_at", table_name="persona")
    op.drop_table("persona")
    op.drop_index("ix_episode_tenant_id_kind_at_id", table_name="episode")
    op.drop_index("ix_episode_tenant_id_at_id", table_name="episode")
    op.drop_index("ix_episode_subscription_id_at_id", table_name="episode")
    op.drop_index("ix_episode_run_id", table_name="episode")
    op.drop_index("ix_episode_at", table_name="episode")
    op.drop_table("episode")
