"""What the specs of several jobs say differently, line by line as a reader would put it."""

from service.comparison.differences import MAX_DIFFERENCES, Difference, differences

__all__ = ["MAX_DIFFERENCES", "Difference", "differences"]
