"""The REST API: it stores jobs, sends hints to workers, and serves everything about jobs."""
