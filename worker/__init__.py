"""The worker: The worker finds jobs by hints and polling, supervises each attempt, and trains."""
