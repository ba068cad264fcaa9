"""Uploaded files are looked through in a process with limits: they may be hostile."""
