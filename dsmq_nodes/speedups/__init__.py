"""The compiled part, which is optional: it does exactly what the Python beside its callers does."""
