"""Records topics into a bag."""
