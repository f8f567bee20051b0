"""The shared dedup store: Redis or Valkey, for several hosts."""
