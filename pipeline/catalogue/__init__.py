"""The event catalogue: what Event Management of Quick Audience's console has, as a file; its rules, edits, and the job's check against it."""
