"""The report of an ended job."""
