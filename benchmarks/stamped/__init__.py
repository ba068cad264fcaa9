"""A worker whose epochs carry the time of their end."""
