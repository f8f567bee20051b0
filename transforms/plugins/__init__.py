"""Plug-ins: how one is found, loaded, called within a time limit, and described. This room knows no mapping."""
