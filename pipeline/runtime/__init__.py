"""From a source file to running processes: composition root, worker, supervisor and replay."""
