"""A node's parameters: the model, the declared ones, their services and their files."""
