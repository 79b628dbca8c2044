"""A node's logger, and `/rosout`."""
