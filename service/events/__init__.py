"""What changes while somebody waits: one watcher, and events read once for all streams."""
