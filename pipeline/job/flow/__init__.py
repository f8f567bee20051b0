"""The rules of flow: how many calls of an operation are under way, how many a second, and when none may begin. Pure rules; the caller gives the time."""
