"""lmdb_store."""
