"""My robot: drives up to a wall and stops in front of it."""
