"""Files that training reads: stored data sets, and the files of keras.datasets."""
