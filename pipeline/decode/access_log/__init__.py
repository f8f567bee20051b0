"""Access logs of nginx and Apache. It knows their formats only."""
