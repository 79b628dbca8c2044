"""Services: a request, a response, and who waits for it."""
