"""Uploads that may be broken off and go on."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "resumable_uploads",
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=True),
        sa.Column("filename", sa.Text(), nullable=True),
        sa.Column("filetype", sa.Text(), nullable=True),
        sa.Column("announced", sa.Text(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("length > 0", name=op.f("ck_resumable_uploads_length_positive")),
        sa.CheckConstraint("received BETWEEN 0 AND length", name=op.f("ck_resumable_uploads_received_within_length")),
        sa.CheckConstraint(
            "(received = length) = (file_id IS NOT NULL)", name=op.f("ck_resumable_uploads_whole_is_file")
        ),
        sa.ForeignKeyConstraint(
            ["file_id"], ["files.id"], name=op.f("fk_resumable_uploads_file_id_files"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_resumable_uploads_owner_id_users")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_resumable_uploads_ticket_id_tickets")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resumable_uploads")),
    )
    op.create_index("ix_resumable_uploads_expires_at", "resumable_uploads", ["expires_at"], unique=False)
    op.create_index(op.f("ix_resumable_uploads_file_id"), "resumable_uploads", ["file_id"], unique=False)
    op.create_index("ix_resumable_uploads_owner_id", "resumable_uploads", ["owner_id"], unique=False)
    op.create_table(
        "upload_pieces",
        sa.Column("upload_id", sa.Uuid(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("storage_key", sa.String(length=500), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.CheckConstraint("size > 0", name=op.f("ck_upload_pieces_size_positive")),
        sa.ForeignKeyConstraint(
            ["upload_id"],
            ["resumable_uploads.id"],
            name=op.f("fk_upload_pieces_upload_id_resumable_uploads"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload_pieces")),
        sa.UniqueConstraint("storage_key", name=op.f("uq_upload_pieces_storage_key")),
    )
    op.create_index("uq_upload_pieces_upload_id_start", "upload_pieces", ["upload_id", "start"], unique=True)


def downgrade() -> None:
    op.drop_table("upload_pieces")
    op.drop_table("resumable_uploads")
