"""The command `log2mq`: click only, a file a verb. It holds no rule of its own; nothing imports it."""
