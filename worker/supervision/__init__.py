"""One attempt at a job: from the claim, through training, to its recorded end."""
