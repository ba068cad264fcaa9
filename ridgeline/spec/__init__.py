"""The words that service, worker and client share: pydantic models and arithmetic, no I/O."""
