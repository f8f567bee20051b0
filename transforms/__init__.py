"""Pure conversion of one decoded log entry to messages: the declarative mapping and Python plug-ins."""
