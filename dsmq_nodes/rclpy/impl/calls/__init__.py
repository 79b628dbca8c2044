"""Services: the inner sides of clients and servers."""
