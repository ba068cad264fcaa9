"""What follows from a spec by arithmetic: wiring, shapes, memory, checks, advice. No I/O."""
