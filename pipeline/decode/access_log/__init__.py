"""Access logs of nginx and Apache."""
