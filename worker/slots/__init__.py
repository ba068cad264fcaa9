"""Slots, where attempts run, and the dispatcher, which finds jobs for them."""
