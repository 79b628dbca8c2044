"""A bag's files: written, read, repaired."""
