"""The loss curves of a job."""
