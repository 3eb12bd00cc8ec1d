"""Which versions of a configuration are in force, and which each was made from."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ai_configs", sa.Column("based_on", sa.Integer(), nullable=True))
    op.execute("UPDATE ai_configs SET based_on = version - 1 WHERE version > 1")
    op.create_table(
        "ai_config_states",
        sa.Column("agent_type", sa.String(length=50), nullable=False),
        sa.Column("active_version", sa.Integer(), nullable=False),
        sa.Column("candidate_version", sa.Integer(), nullable=True),
        sa.Column("rollout", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("rollout BETWEEN 0 AND 99", name=op.f("ck_ai_config_states_rollout_percent")),
        sa.CheckConstraint(
            "(candidate_version IS NULL) = (rollout = 0)", name=op.f("ck_ai_config_states_candidate_has_rollout")
        ),
        sa.CheckConstraint("candidate_version <> active_version", name=op.f("ck_ai_config_states_candidate_differs")),
        sa.ForeignKeyConstraint(
            ["agent_type", "active_version"],
            ["ai_configs.agent_type", "ai_configs.version"],
            name=op.f("fk_ai_config_states_agent_type_active_version_ai_configs"),
        ),
        sa.ForeignKeyConstraint(
            ["agent_type", "candidate_version"],
            ["ai_configs.agent_type", "ai_configs.version"],
            name=op.f("fk_ai_config_states_agent_type_candidate_version_ai_configs"),
        ),
        sa.PrimaryKeyConstraint("agent_type", name=op.f("pk_ai_config_states")),
    )
    op.execute(
        "INSERT INTO ai_config_states (agent_type, active_version) "
        "SELECT agent_type, max(version) FROM ai_configs GROUP BY agent_type"
    )


def downgrade() -> None:
    op.drop_table("ai_config_states")
    op.drop_column("ai_configs", "based_on")
