"""From a source file to running processes: composition root, worker, supervisor and replay. It knows no command line and no author's tool."""
