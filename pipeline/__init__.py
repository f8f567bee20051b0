"""The job: everything that runs, waits, or talks to the outside. It uses `transforms` and `schemas`; neither of them knows it."""
