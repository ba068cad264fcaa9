"""What a writer raises."""


class CannotHold(Exception):
    """The format has no operation for something in the network; the message says which."""
