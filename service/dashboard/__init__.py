"""The dashboard: its static files, and the routes that serve them."""
