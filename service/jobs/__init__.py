"""Jobs: submitting, reading, controlling and deleting them, and the hints for workers."""
