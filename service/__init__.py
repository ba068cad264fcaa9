"""The REST API: it stores jobs, tells workers of them, and answers questions about them."""
