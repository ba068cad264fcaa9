"""The commands. A module here imports nothing heavy before its command runs."""
