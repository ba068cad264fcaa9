"""The service itself: its catalog, health, workers and metrics."""
