"""The dedup store on a Redis or Valkey server, for jobs on several hosts."""
