"""HTTP itself: bodies in, answers and problems out, ranges, headers, files, the document."""
