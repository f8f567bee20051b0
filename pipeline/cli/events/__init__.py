"""`log2mq events`: its verbs show and edit the event catalogue."""
