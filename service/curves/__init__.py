"""The loss curves of a job: as data, as charts, and as pictures drawn in a child process."""
