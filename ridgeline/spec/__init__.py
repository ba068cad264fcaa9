"""What a user may write in a job: the JobSpec and its parts. pydantic models, no I/O."""
