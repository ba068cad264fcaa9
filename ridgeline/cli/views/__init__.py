"""Views: they turn models of the API into tables and pages that Rich prints."""
