"""A node's logger, and `/rosout`, where others read it."""
