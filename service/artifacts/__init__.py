"""The published files of a job."""
