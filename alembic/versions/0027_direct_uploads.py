"""Uploads that go straight into the bucket."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "direct_uploads",
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=True),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("filetype", sa.Text(), nullable=True),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("storage_key", sa.String(length=500), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("length > 0", name=op.f("ck_direct_uploads_length_positive")),
        sa.ForeignKeyConstraint(
            ["file_id"], ["files.id"], name=op.f("fk_direct_uploads_file_id_files"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_direct_uploads_owner_id_users")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_direct_uploads_ticket_id_tickets")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_direct_uploads")),
        sa.UniqueConstraint("storage_key", name=op.f("uq_direct_uploads_storage_key")),
    )
    op.create_index("ix_direct_uploads_owner_id", "direct_uploads", ["owner_id"], unique=False)
    op.create_index("ix_direct_uploads_expires_at", "direct_uploads", ["expires_at"], unique=False)
    op.create_index(op.f("ix_direct_uploads_file_id"), "direct_uploads", ["file_id"], unique=False)


def downgrade() -> None:
    op.drop_table("direct_uploads")
