"""The process that trains: forked from one that has TensorFlow loaded, and spoken to by a pipe."""
