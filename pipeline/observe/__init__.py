"""What a person or a monitor sees of a running job; never a secret or an identifier. It changes nothing."""
