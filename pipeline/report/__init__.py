"""The client of Quick Audience: payload, signature, HTTP call, verdict on an answer, sender pool. It does not know records and offsets."""
