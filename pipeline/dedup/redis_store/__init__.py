"""redis_store."""
