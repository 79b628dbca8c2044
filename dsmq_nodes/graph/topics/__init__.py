"""Publishers and subscriptions, their types and their quality of service."""
