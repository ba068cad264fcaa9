"""What the API does, apart from HTTP: rules and transactions."""
