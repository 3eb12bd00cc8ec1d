"""What a model made of the beginning of a long conversation."""

import sqlalchemy as sa
from alembic import op

revision = "0055"
down_revision = "0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("recap_text", sa.Text(), server_default="", nullable=False))
    op.add_column("sessions", sa.Column("recap_until", sa.Integer(), server_default="0", nullable=False))
    op.add_column("sessions", sa.Column("recap_model", sa.String(length=200), nullable=True))
    op.add_column("sessions", sa.Column("recap_config", sa.Integer(), nullable=True))
    op.add_column("sessions", sa.Column("recap_revision", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    for name in ("recap_revision", "recap_config", "recap_model", "recap_until", "recap_text"):
        op.drop_column("sessions", name)
