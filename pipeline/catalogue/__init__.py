"""The event catalogue of Event Management, as a file: rules, edits, tables, and the check of messages. It knows neither Kafka nor the job."""
