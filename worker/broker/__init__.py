"""Celery: receives hints that a job may be waiting."""
