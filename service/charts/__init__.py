"""Charts of a job: Vega-Lite, and pictures drawn in a child process."""
