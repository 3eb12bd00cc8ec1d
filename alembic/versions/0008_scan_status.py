"""Scan status: nothing of a file is given out before it was found clean."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("files", sa.Column("scan_status", sa.String(length=20), nullable=True))
    op.add_column("files", sa.Column("scanned_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("files", sa.Column("scanners", sa.String(length=200), nullable=True))
    # What was read, or could not be, under the rules of its time stays readable: `scanned_at` is null and tells it
    # from what was scanned. What still waits is scanned when its turn comes.
    op.execute(
        """
        UPDATE files SET
            scan_status = CASE processing_status
                WHEN 'quarantined' THEN 'quarantined'
                WHEN 'completed' THEN 'clean'
                WHEN 'failed' THEN 'clean'
                ELSE 'received'
            END,
            text = CASE WHEN processing_status IN ('completed', 'failed') THEN text END
        """
    )
    op.alter_column("files", "scan_status", nullable=False)
    op.create_check_constraint(
        op.f("ck_files_scan_status_known"), "files", "scan_status IN ('received', 'scanning', 'clean', 'quarantined')"
    )
    op.create_check_constraint(op.f("ck_files_text_clean"), "files", "text IS NULL OR scan_status = 'clean'")
    op.create_check_constraint(
        op.f("ck_files_completed_clean"), "files", "processing_status <> 'completed' OR scan_status = 'clean'"
    )
    op.create_check_constraint(
        op.f("ck_files_quarantined_in_both"),
        "files",
        "(processing_status = 'quarantined') = (scan_status = 'quarantined')",
    )
    op.create_index(
        "ix_files_not_clean", "files", ["scan_status", "id"], unique=False,
        postgresql_where=sa.text("scan_status <> 'clean'"),
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_files_not_clean", table_name="files", postgresql_where=sa.text("scan_status <> 'clean'"))
    for name in ("quarantined_in_both", "completed_clean", "text_clean", "scan_status_known"):
        op.drop_constraint(op.f(f"ck_files_{name}"), "files", type_="check")
    for column in ("scanners", "scanned_at", "scan_status"):
        op.drop_column("files", column)
