"""The stand-in for Quick Audience's two APIs: signatures, answers, faults, and a ledger of what it took."""
