"""What people see of jobs, reports, curves, data sets: models in, things for Rich to print out."""
