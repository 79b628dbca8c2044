"""From a plan to running processes: started, watched, restarted and stopped."""
