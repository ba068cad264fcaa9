"""A worker whose epochs tell when they ended."""
