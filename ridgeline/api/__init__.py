"""What the service returns: jobs, events, curves, reports, problems. pydantic models, no I/O."""
