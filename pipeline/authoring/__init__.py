"""What the author of a source file runs: `init`, `check --sample`, `test`, `tap`. It may use every room but `cli`; the job imports nothing of it."""
