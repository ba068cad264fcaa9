"""Whether the contract's models carry what their attribute docstrings say.

OpenAPI, the catalogue and the presets need it. Reading it off the source is a third of what the
contract takes to import, which a command that a person waits for can do without.
"""

wanted = True
"""Looked at when a model is made: what is to do without has to say so before it imports any."""
