"""What goes wrong when servers are started."""


class StartError(Exception):
    """Something needed could not be started, or has stopped; the message says what to do."""
