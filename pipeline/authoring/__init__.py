"""What the author of a source file runs: `init`, `check --sample`, `test`, `tap`. It may use every room but the commands; the job never knows it."""
