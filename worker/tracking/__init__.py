"""Logs jobs to an MLflow server, from the records, so that nothing is lost while it is away."""
