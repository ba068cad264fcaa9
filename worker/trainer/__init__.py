"""The process that trains: forked with TensorFlow already loaded, supervised over a pipe."""
