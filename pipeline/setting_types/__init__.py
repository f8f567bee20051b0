"""The types that settings are made of: durations, sizes, shares, PEM files, endpoints, secrets. It knows no setting by name."""
