"""Files in a folder or a bucket: one blob layer, and the rules of artifacts and data sets on it."""
