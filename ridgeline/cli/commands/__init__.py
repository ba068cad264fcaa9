"""The commands. A module here imports nothing heavy until its command runs."""
