"""One attempt at a job: watched while it trains, and written down when it has ended."""
