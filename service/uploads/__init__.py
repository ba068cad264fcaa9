"""Resumable transfers of large files, in parts."""
