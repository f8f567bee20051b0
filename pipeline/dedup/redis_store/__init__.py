"""The dedup store on a Redis or Valkey server, for jobs on several hosts. It knows keys and times, no message and no offset."""
