"""Customers and services, as the desk knows them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "customer_profiles",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("vip", sa.Boolean(), nullable=False),
        sa.Column("tier", sa.String(length=50), nullable=True),
        sa.Column("organisation", sa.String(length=300), nullable=True),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_customer_profiles_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer_profiles")),
        sa.UniqueConstraint("user_id", name=op.f("uq_customer_profiles_user_id")),
    )
    op.create_table(
        "service_statuses",
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("aliases", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "state IN ('operational', 'degraded', 'outage', 'maintenance')",
            name=op.f("ck_service_statuses_state_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_statuses")),
        sa.UniqueConstraint("name", name=op.f("uq_service_statuses_name")),
    )


def downgrade() -> None:
    op.drop_table("service_statuses")
    op.drop_table("customer_profiles")
