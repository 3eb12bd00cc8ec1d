"""Conversations: messages with what they cite, numbered events, handovers, outcomes, memory."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0038"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "session_memories",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("turns", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_session_memories")),
    )
    op.create_table(
        "sessions",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("comments_until", sa.BigInteger(), nullable=False),
        sa.Column("followed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(status = 'resolved') = (resolved_at IS NOT NULL)", name=op.f("ck_sessions_resolved_has_time")
        ),
        sa.CheckConstraint("channel IN ('web', 'api', 'email')", name=op.f("ck_sessions_channel_known")),
        sa.CheckConstraint(
            "status <> 'escalated' OR ticket_id IS NOT NULL", name=op.f("ck_sessions_escalated_has_ticket")
        ),
        sa.CheckConstraint("status IN ('open', 'escalated', 'resolved')", name=op.f("ck_sessions_status_known")),
        sa.CheckConstraint("(ticket_id IS NULL) = (reason IS NULL)", name=op.f("ck_sessions_handed_over_for_a_reason")),
        sa.ForeignKeyConstraint(["customer_id"], ["users.id"], name=op.f("fk_sessions_customer_id_users")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_sessions_ticket_id_tickets")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index("ix_sessions_created_at_id", "sessions", ["created_at", "id"], unique=False)
    op.create_index(
        "ix_sessions_customer_id_created_at_id", "sessions", ["customer_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "ix_sessions_followed",
        "sessions",
        ["followed_at"],
        unique=False,
        postgresql_where=sa.text("status = 'escalated'"),
    )
    op.create_index("uq_sessions_ticket_id", "sessions", ["ticket_id"], unique=True)
    op.create_table(
        "cases",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.Column("references", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_cases_session_id_sessions"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_cases_ticket_id_tickets")),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_cases")),
    )
    op.create_table(
        "escalations",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("event", sa.String(length=300), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("transcript", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("team", sa.String(length=50), nullable=True),
        sa.Column("priority", sa.String(length=20), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_escalations_session_id_sessions"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["tickets.id"], name=op.f("fk_escalations_ticket_id_tickets"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_escalations")),
        sa.UniqueConstraint("session_id", "event", name=op.f("uq_escalations_session_id_event")),
    )
    op.create_index("ix_escalations_ticket_id", "escalations", ["ticket_id"], unique=False)
    op.create_table(
        "messages",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("author_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("reply_to", sa.Uuid(), nullable=True),
        sa.Column("source_id", sa.String(length=300), nullable=True),
        sa.Column("comment_id", sa.BigInteger(), nullable=True),
        sa.Column("handled_as", sa.String(length=20), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("signals", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("model", sa.String(length=200), nullable=True),
        sa.Column("thresholds_version", sa.Integer(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "handled_as IN ('answered', 'handed_over', 'forwarded', 'closed')",
            name=op.f("ck_messages_handled_as_known"),
        ),
        sa.CheckConstraint(
            "role = 'customer' OR handled_as IS NULL", name=op.f("ck_messages_only_customers_are_handled")
        ),
        sa.CheckConstraint("role IN ('customer', 'assistant', 'agent', 'system')", name=op.f("ck_messages_role_known")),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_messages_author_id_users")),
        sa.ForeignKeyConstraint(
            ["comment_id"],
            ["ticket_comments.id"],
            name=op.f("fk_messages_comment_id_ticket_comments"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_messages_job_id_jobs")),
        sa.ForeignKeyConstraint(["reply_to"], ["messages.id"], name=op.f("fk_messages_reply_to_messages")),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_messages_session_id_sessions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("comment_id", name=op.f("uq_messages_comment_id")),
        sa.UniqueConstraint("reply_to", name=op.f("uq_messages_reply_to")),
        sa.UniqueConstraint("session_id", "position", name=op.f("uq_messages_session_id_position")),
        sa.UniqueConstraint("session_id", "source_id", name=op.f("uq_messages_session_id_source_id")),
    )
    op.create_index(
        "ix_messages_waiting",
        "messages",
        ["session_id", "position"],
        unique=False,
        postgresql_where=sa.text("role = 'customer' AND handled_as IS NULL"),
    )
    op.create_table(
        "message_citations",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("sentence", sa.Integer(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("chunk_id", sa.String(length=50), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("uri", sa.String(length=2000), nullable=True),
        sa.Column("quote", sa.Text(), nullable=False),
        sa.Column("stale", sa.String(length=20), nullable=True),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.CheckConstraint(
            "stale IN ('changed', 'deleted', 'not_allowed')", name=op.f("ck_message_citations_stale_known")
        ),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_message_citations_message_id_messages"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_citations")),
    )
    op.create_index("ix_message_citations_document_id", "message_citations", ["document_id"], unique=False)
    op.create_index("ix_message_citations_message_id_id", "message_citations", ["message_id", "id"], unique=False)
    op.create_table(
        "session_events",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("type", sa.String(length=30), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_session_events_message_id_messages"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_session_events_session_id_sessions"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("session_id", "number", name=op.f("pk_session_events")),
    )


def downgrade() -> None:
    op.drop_table("session_events")
    op.drop_index("ix_message_citations_message_id_id", table_name="message_citations")
    op.drop_index("ix_message_citations_document_id", table_name="message_citations")
    op.drop_table("message_citations")
    op.drop_index(
        "ix_messages_waiting",
        table_name="messages",
        postgresql_where=sa.text("role = 'customer' AND handled_as IS NULL"),
    )
    op.drop_table("messages")
    op.drop_index("ix_escalations_ticket_id", table_name="escalations")
    op.drop_table("escalations")
    op.drop_table("cases")
    op.drop_index("uq_sessions_ticket_id", table_name="sessions")
    op.drop_index("ix_sessions_followed", table_name="sessions", postgresql_where=sa.text("status = 'escalated'"))
    op.drop_index("ix_sessions_customer_id_created_at_id", table_name="sessions")
    op.drop_index("ix_sessions_created_at_id", table_name="sessions")
    op.drop_table("sessions")
    op.drop_table("session_memories")
