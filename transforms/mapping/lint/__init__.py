"""What `check` says of rules that compile but are likely wrong."""
