"""What a person sees of the running job: progress, log lines, the closing summary; never a secret or an identifier."""
