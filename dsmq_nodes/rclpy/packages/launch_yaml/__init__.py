"""Launch files in YAML."""
