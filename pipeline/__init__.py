"""The job: everything that runs, waits, or talks to the outside."""
