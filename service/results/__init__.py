"""What a job produces: its files, its report, its log."""
