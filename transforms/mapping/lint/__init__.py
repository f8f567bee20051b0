"""The notes of `check` on rules that compile but are likely wrong. It knows rules, no records; the job does not need it."""
