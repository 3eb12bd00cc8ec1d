"""Files of the same bytes share one object in the store."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint(op.f("uq_files_storage_key"), "files", type_="unique")
    op.create_index("ix_files_storage_key", "files", ["storage_key"], unique=False)


def downgrade() -> None:
    shared = "SELECT 1 FROM files GROUP BY storage_key HAVING count(*) > 1 LIMIT 1"
    if op.get_bind().execute(sa.text(shared)).first() is not None:
        raise RuntimeError("Files share objects in the store: their bytes would have to be copied apart first.")
    op.drop_index("ix_files_storage_key", table_name="files")
    op.create_unique_constraint(op.f("uq_files_storage_key"), "files", ["storage_key"])
