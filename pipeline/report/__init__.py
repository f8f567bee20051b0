"""Quick Audience: payload, signature, client, sender pool, and what an answer means. It knows no record and no offset."""
