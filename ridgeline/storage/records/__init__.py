"""Records in the database: one module for each subject."""
