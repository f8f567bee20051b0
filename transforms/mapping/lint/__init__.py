"""The notes of `check` on rules that compile but are likely wrong."""
