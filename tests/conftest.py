"""What every test runs under. Fixtures live beside the tests that use them."""

import os

from hypothesis import settings

# TensorFlow's start-up lines would drown a failing test's output, here and in what tests start.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# Shared machines are slow at times, which says nothing about the code. CI repeats the same
# examples, so that a red run can be run again; elsewhere every run looks at new ones.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")
