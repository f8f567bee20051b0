"""From a source file to running processes: the composition root, worker, supervisor and replay."""
