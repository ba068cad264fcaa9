"""The events of jobs, and requests that wait for changes."""
