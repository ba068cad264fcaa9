"""The command line: one module for each command, and the embedded servers they start."""
