"""What a launch is doing: figures, tables, the live view, commands from outside."""
