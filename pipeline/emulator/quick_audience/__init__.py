"""The stand-in for Quick Audience's two APIs: signatures, answers, faults, and a ledger of the messages that it accepted. It does not know the job that calls it."""
