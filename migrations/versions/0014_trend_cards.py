"""Cards of trends with the steps of their making, and which subscription and run an alert went through."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trend_card",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("wave", sa.Integer(), nullable=False),
        sa.Column("edition", sa.Integer(), server_default="1", nullable=False),
        sa.Column("posts", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default="due", nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("expiries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("fk_trend_card_tenant_id_tenant"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["sha256"], ["artifact.sha256"], name=op.f("fk_trend_card_sha256_artifact")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trend_card")),
        sa.UniqueConstraint("tenant_id", "unit", "wave", name=op.f("uq_trend_card_tenant_id_unit_wave")),
    )
    op.create_index(
        "ix_trend_card_polled",
        "trend_card",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('due', 'leased')"),
    )
    op.create_table(
        "trend_card_step",
        sa.Column("card_id", sa.BigInteger(), nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("elapsed_ms", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["card_id"],
            ["trend_card.id"],
            name=op.f("fk_trend_card_step_card_id_trend_card"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["sha256"], ["artifact.sha256"], name=op.f("fk_trend_card_step_sha256_artifact")
        ),
        sa.PrimaryKeyConstraint("card_id", "edition", "name", name=op.f("pk_trend_card_step")),
    )
    op.add_column("trend_alert", sa.Column("subscription_id", sa.BigInteger(), nullable=True))
    op.add_column("trend_alert", sa.Column("run_id", sa.BigInteger(), nullable=True))
    for column, table in (("subscription_id", "subscription"), ("run_id", "run")):
        op.create_foreign_key(
            op.f(f"fk_trend_alert_{column}_{table}"), "trend_alert", table, [column], ["id"], ondelete="SET NULL"
        )  # fmt: skip
        op.create_index(f"ix_trend_alert_{column}", "trend_alert", [column])


def downgrade() -> None:
    for column, table in (("run_id", "run"), ("subscription_id", "subscription")):
        op.drop_index(f"ix_trend_alert_{column}", "trend_alert")
        op.drop_constraint(op.f(f"fk_trend_alert_{column}_{table}"), "trend_alert", type_="foreignkey")
        op.drop_column("trend_alert", column)
    op.drop_table("trend_card_step")
    op.drop_table("trend_card")
