"""Checks that reject a spec before it is queued, one file per subject."""
