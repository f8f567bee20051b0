"""Bounded reading and TLS trust, shared by the two HTTP clients. It does not depend on either service."""
