"""What a session stands on: the connection that is dialed again, and the place in each topic."""
