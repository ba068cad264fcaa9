"""The command `ridgeline`: its commands, and the servers that it starts on this machine."""
