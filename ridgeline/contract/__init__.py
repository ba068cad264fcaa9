"""A path of an earlier release, kept for programs that import `ridgeline.contract.features`."""
