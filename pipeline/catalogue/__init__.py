"""The event catalogue of Event Management, as a file: rules, edits, tables, and the check of messages. It imports neither Kafka nor the job."""
