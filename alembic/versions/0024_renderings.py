"""Previews, and pictures without what is hidden in them; those of older files are made like those of new ones."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0038"
branch_labels = None
depends_on = None

_KEYS = ("preview_key", "shown_key")


def upgrade() -> None:
    op.add_column("files", sa.Column("rendered_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("files", sa.Column("preview_key", sa.String(length=500), nullable=True))
    op.add_column("files", sa.Column("preview_size", sa.Integer(), nullable=True))
    op.add_column("files", sa.Column("shown_key", sa.String(length=500), nullable=True))
    op.add_column("files", sa.Column("shown_size", sa.BigInteger(), nullable=True))
    op.add_column("files", sa.Column("shown_type", sa.String(length=50), nullable=True))
    for key in _KEYS:
        op.create_unique_constraint(op.f(f"uq_files_{key}"), "files", [key])
    op.create_check_constraint(
        op.f("ck_files_renderings_have_time"),
        "files",
        "num_nonnulls(preview_key, shown_key) = 0 OR rendered_at IS NOT NULL",
    )
    # Relays find queued jobs that nobody took, and dispatch them a few at a time.
    op.execute(
        """
        INSERT INTO jobs (id, kind, subject, state, progress, attempts, carrier, due_at)
        SELECT gen_random_uuid(), 'files.render', id::text, 'queued', 0, 0, '{}', now()
        FROM files WHERE scan_status = 'clean'
        """
    )


def downgrade() -> None:
    op.execute("DELETE FROM jobs WHERE kind = 'files.render'")
    op.drop_constraint(op.f("ck_files_renderings_have_time"), "files", type_="check")
    for key in _KEYS:
        op.drop_constraint(op.f(f"uq_files_{key}"), "files", type_="unique")
    for column in ("shown_type", "shown_size", "shown_key", "preview_size", "preview_key", "rendered_at"):
        op.drop_column("files", column)
