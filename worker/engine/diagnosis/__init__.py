"""The report of a run: its verdict, its baseline, its weights."""
