"""Models are called for the desk itself too, and not only for a person."""

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("model_calls", "user_id", existing_type=sa.BigInteger(), nullable=True)


def downgrade() -> None:
    """What the desk's own calls were is lost; what they cost stays in the month's sum."""
    op.execute("DELETE FROM model_calls WHERE user_id IS NULL")
    op.alter_column("model_calls", "user_id", existing_type=sa.BigInteger(), nullable=False)
