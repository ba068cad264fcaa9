"""What follows from a spec by arithmetic alone: wiring, shapes, memory, checks, advice. No I/O."""
