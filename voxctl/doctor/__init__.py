"""Looks at this machine and at what it is to transcribe with: what is there, what is missing, what mends it."""
