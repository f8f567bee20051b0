"""The command `log2mq`: thin; one file a group of verbs, one function a verb."""
