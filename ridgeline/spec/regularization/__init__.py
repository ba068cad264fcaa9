"""Penalties, constraints, and the policy that applies them to a whole model."""
