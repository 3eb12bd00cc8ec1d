"""Vectors beside their passages, one set for each embedder."""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import Vector
from sqlalchemy.dialects import postgresql

revision = "0047"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "embedding_sets",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("dimensions", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "state IN ('building', 'active', 'retired', 'cancelled', 'failed')",
            name=op.f("ck_embedding_sets_state_known"),
        ),
        sa.CheckConstraint(
            "state <> 'active' OR dimensions IS NOT NULL", name=op.f("ck_embedding_sets_active_has_dimensions")
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_embedding_sets_created_by_users"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_embedding_sets")),
    )
    op.create_index(
        "uq_embedding_sets_state",
        "embedding_sets",
        ["state"],
        unique=True,
        postgresql_where=sa.text("state IN ('active', 'building')"),
    )
    op.create_table(
        "chunk_embeddings",
        sa.Column("chunk_id", sa.Uuid(), nullable=False),
        sa.Column("set_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("readers", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("vector", Vector(), nullable=False),
        sa.ForeignKeyConstraint(
            ["chunk_id"], ["chunks.id"], name=op.f("fk_chunk_embeddings_chunk_id_chunks"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("chunk_id", "set_id", name=op.f("pk_chunk_embeddings")),
    )
    op.execute(
        "INSERT INTO chunk_embeddings (chunk_id, set_id, readers, vector) "
        "SELECT id, 0, readers, vector FROM chunks WHERE vector IS NOT NULL"
    )
    op.create_index("ix_chunk_embeddings_readers", "chunk_embeddings", ["readers"], postgresql_using="gin")
    op.create_index(
        "ix_chunk_embeddings_nearest_0",
        "chunk_embeddings",
        [sa.text("(vector::halfvec(384)) halfvec_cosine_ops")],
        postgresql_using="hnsw",
        postgresql_with={"m": 24, "ef_construction": 200},
        postgresql_where=sa.text("set_id = 0"),
    )
    op.drop_constraint(op.f("ck_chunks_searched_in_both_ways"), "chunks")
    op.drop_index("ix_chunks_vector", table_name="chunks")
    op.drop_column("chunks", "vector")
    op.add_column("chunks", sa.Column("headings", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False))
    op.drop_column("chunks", "model")


def downgrade() -> None:
    """Passages that only another embedder knows are no longer found: index their documents again."""
    op.add_column("chunks", sa.Column("vector", Vector(384), nullable=True))
    op.add_column("chunks", sa.Column("model", sa.String(length=100), nullable=True))
    op.execute(
        "UPDATE chunks SET vector = e.vector FROM chunk_embeddings e WHERE e.chunk_id = chunks.id AND e.set_id = 0"
    )
    op.execute("UPDATE chunks SET search = NULL WHERE vector IS NULL")
    op.execute("UPDATE chunks SET model = 'all-MiniLM-L6-v2'")
    op.alter_column("chunks", "model", nullable=False)
    op.create_index(
        "ix_chunks_vector",
        "chunks",
        ["vector"],
        postgresql_using="hnsw",
        postgresql_ops={"vector": "vector_cosine_ops"},
    )
    op.create_check_constraint(op.f("ck_chunks_searched_in_both_ways"), "chunks", "(search IS NULL) = (vector IS NULL)")
    op.drop_column("chunks", "headings")
    op.drop_table("chunk_embeddings")
    op.drop_table("embedding_sets")
