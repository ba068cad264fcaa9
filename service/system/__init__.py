"""The paths of the API: each route reads a request, calls one operation, and answers."""
