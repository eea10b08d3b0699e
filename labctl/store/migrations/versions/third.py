"""Orders and waiting runs under the chain: what commits cover of them. Unreleased: extend it until that release, then freeze it.

The tables are taken as they are; the first commit after this one covers them.
"""

from alembic import op
from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, String, Table

revision = "0003"
down_revision = "0002"

metadata = MetaData()
under_way = Table(
    "under_way", metadata,
    Column("name", String, primary_key=True),
    Column("commit_id", BigInteger, nullable=False), Column("sum", LargeBinary, nullable=False),
)  # fmt: skip


def upgrade() -> None:
    """Add what commits cover of orders and waiting runs."""
    op.add_column("commits", Column("under_way", LargeBinary))
    metadata.create_all(op.get_bind(), checkfirst=False)
