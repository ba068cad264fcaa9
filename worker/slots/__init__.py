"""Slots and the dispatcher: where attempts run, and which job runs there next."""
