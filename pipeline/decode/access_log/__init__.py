"""Access logs of nginx and Apache. This package knows lines of text only, no record and no other format."""
