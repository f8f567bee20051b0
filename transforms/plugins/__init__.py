"""Plug-ins: found, loaded, called within a time limit, described. It knows no mapping."""
