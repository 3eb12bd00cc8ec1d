"""Mail: what came in and what became of it, what goes out, and whose addresses are whose."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0045"
down_revision = "0052"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mail_sources",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("uid_validity", sa.BigInteger(), nullable=True),
        sa.Column("last_uid", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("taken", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_mail_sources")),
    )
    op.create_table(
        "mail_addresses",
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_mail_addresses_user_id_users")),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_mail_addresses")),
    )
    op.create_index(op.f("ix_mail_addresses_user_id"), "mail_addresses", ["user_id"], unique=False)
    op.create_table(
        "mail_threads",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("subject", sa.String(length=500), nullable=False),
        sa.Column("others", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_mail_threads_session_id_sessions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_mail_threads")),
    )
    op.create_table(
        "mails",
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("source_ref", sa.String(length=300), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("storage_key", sa.String(length=500), nullable=True),
        sa.Column("envelope_from", sa.String(length=400), nullable=True),
        sa.Column("envelope_to", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=True),
        sa.Column("message_id", sa.String(length=300), nullable=True),
        sa.Column("references", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=True),
        sa.Column("from_address", sa.String(length=320), nullable=True),
        sa.Column("from_name", sa.String(length=300), nullable=True),
        sa.Column("authenticated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("subject", sa.String(length=500), server_default="", nullable=False),
        sa.Column("dated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("body", sa.Text(), server_default="", nullable=False),
        sa.Column("visible", sa.Text(), server_default="", nullable=False),
        sa.Column("defects", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("sender_id", sa.BigInteger(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("said_id", sa.Uuid(), nullable=True),
        sa.Column("joined_by", sa.String(length=20), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "joined_by IN ('token', 'in_reply_to', 'references', 'new', 'split')", name=op.f("ck_mails_joined_by_known")
        ),
        sa.CheckConstraint(
            "kind IN ('message', 'automatic', 'list', 'bounce', 'own')", name=op.f("ck_mails_kind_known")
        ),
        sa.CheckConstraint("state <> 'joined' OR session_id IS NOT NULL", name=op.f("ck_mails_joined_has_session")),
        sa.CheckConstraint(
            "state IN ('received', 'joined', 'kept', 'duplicate', 'unreadable')", name=op.f("ck_mails_state_known")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_mails_job_id_jobs")),
        sa.ForeignKeyConstraint(["said_id"], ["messages.id"], name=op.f("fk_mails_said_id_messages")),
        sa.ForeignKeyConstraint(["sender_id"], ["users.id"], name=op.f("fk_mails_sender_id_users")),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_mails_session_id_sessions")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
        sa.UniqueConstraint("source", "digest", name=op.f("uq_mails_source_digest")),
    )
    op.create_index("ix_mails_from_address_created_at", "mails", ["from_address", "created_at"], unique=False)
    op.create_index("ix_mails_message_id", "mails", ["message_id"], unique=False)
    op.create_index("ix_mails_said_id", "mails", ["said_id"], unique=False)
    op.create_index("ix_mails_session_id", "mails", ["session_id"], unique=False)
    op.create_index("ix_mails_state_id", "mails", ["state", "id"], unique=False)
    op.create_index("ix_mails_storage_key", "mails", ["storage_key"], unique=False)
    op.create_table(
        "sent_mails",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("said_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.String(length=300), nullable=False),
        sa.Column("to_address", sa.String(length=320), nullable=False),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state <> 'sent' OR sent_at IS NOT NULL", name=op.f("ck_sent_mails_sent_has_time")),
        sa.CheckConstraint("state IN ('queued', 'sent', 'failed', 'bounced')", name=op.f("ck_sent_mails_state_known")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_sent_mails_job_id_jobs")),
        sa.ForeignKeyConstraint(
            ["said_id"], ["messages.id"], name=op.f("fk_sent_mails_said_id_messages"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_sent_mails_session_id_sessions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sent_mails")),
        sa.UniqueConstraint("message_id", name=op.f("uq_sent_mails_message_id")),
        sa.UniqueConstraint("said_id", name=op.f("uq_sent_mails_said_id")),
    )
    op.create_index("ix_sent_mails_session_id", "sent_mails", ["session_id"], unique=False)
    op.create_index("ix_sent_mails_state_id", "sent_mails", ["state", "id"], unique=False)
    op.create_table(
        "mail_attachments",
        sa.Column("mail_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("filename", sa.String(length=255), nullable=False),
        sa.Column("media_type", sa.String(length=255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=True),
        sa.Column("refused", sa.Text(), nullable=True),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"], ["files.id"], name=op.f("fk_mail_attachments_file_id_files"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["mail_id"], ["mails.id"], name=op.f("fk_mail_attachments_mail_id_mails"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_attachments")),
        sa.UniqueConstraint("mail_id", "position", name=op.f("uq_mail_attachments_mail_id_position")),
    )
    op.create_index("ix_mail_attachments_file_id", "mail_attachments", ["file_id"], unique=False)
    op.create_table(
        "mail_joins",
        sa.Column("mail_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("actor_id", sa.BigInteger(), nullable=True),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "reason IN ('token', 'in_reply_to', 'references', 'new', 'split')", name=op.f("ck_mail_joins_reason_known")
        ),
        sa.ForeignKeyConstraint(["actor_id"], ["users.id"], name=op.f("fk_mail_joins_actor_id_users")),
        sa.ForeignKeyConstraint(
            ["mail_id"], ["mails.id"], name=op.f("fk_mail_joins_mail_id_mails"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_mail_joins_session_id_sessions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_joins")),
    )
    op.create_index("ix_mail_joins_mail_id_id", "mail_joins", ["mail_id", "id"], unique=False)
    op.add_column("messages", sa.Column("unproven", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_index(
        "ix_sessions_by_email", "sessions", ["updated_at"], unique=False, postgresql_where=sa.text("channel = 'email'")
    )


def downgrade() -> None:
    op.drop_index("ix_sessions_by_email", table_name="sessions", postgresql_where=sa.text("channel = 'email'"))
    op.drop_column("messages", "unproven")
    op.drop_index("ix_mail_joins_mail_id_id", table_name="mail_joins")
    op.drop_table("mail_joins")
    op.drop_index("ix_mail_attachments_file_id", table_name="mail_attachments")
    op.drop_table("mail_attachments")
    op.drop_index("ix_sent_mails_state_id", table_name="sent_mails")
    op.drop_index("ix_sent_mails_session_id", table_name="sent_mails")
    op.drop_table("sent_mails")
    op.drop_index("ix_mails_storage_key", table_name="mails")
    op.drop_index("ix_mails_state_id", table_name="mails")
    op.drop_index("ix_mails_session_id", table_name="mails")
    op.drop_index("ix_mails_said_id", table_name="mails")
    op.drop_index("ix_mails_message_id", table_name="mails")
    op.drop_index("ix_mails_from_address_created_at", table_name="mails")
    op.drop_table("mails")
    op.drop_table("mail_threads")
    op.drop_index(op.f("ix_mail_addresses_user_id"), table_name="mail_addresses")
    op.drop_table("mail_addresses")
    op.drop_table("mail_sources")
