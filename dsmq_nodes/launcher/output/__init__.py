"""Lines of processes, to the terminal and to files, without waiting for either."""
