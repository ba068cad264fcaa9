"""What a spec may not combine, said before anything is queued: one subject a file."""
