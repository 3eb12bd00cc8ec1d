"""Versions of the classifier that were trained by an earlier design cannot be read any more."""

from alembic import op

revision = "0057"
down_revision = "0055"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "UPDATE classifier_heads SET status = 'refused', weights = NULL, description = NULL, checksum = NULL, "
        "report = NULL, reason = 'It was trained by an earlier version of the product. Train it again.' "
        "WHERE weights IS NOT NULL"
    )


def downgrade() -> None:
    """What was trained meanwhile cannot be read by the earlier design either."""
    op.execute(
        "UPDATE classifier_heads SET status = 'refused', weights = NULL, description = NULL, checksum = NULL, "
        "report = NULL, reason = 'It was trained by a later version of the product. Train it again.' "
        "WHERE weights IS NOT NULL"
    )
