"""Uploaded data sets: the parts that take them in, the disk they take, the specs that use them."""
