"""The tests: a folder for each kind; `unit` mirrors the rooms."""
