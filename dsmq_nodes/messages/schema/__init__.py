"""What a type says of itself: definitions, JSON Schemas, messages by a schema alone."""
