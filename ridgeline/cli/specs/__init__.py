"""Specs as they are typed: files, standard input, single members on the command line."""
