"""Servers that the command starts on this machine."""
