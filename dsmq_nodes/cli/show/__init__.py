"""What the commands print: one file for each command with a body of its own.

The noun's file in `cli/` has flags and help and imports the body only when its command runs, so
that `dsmq-nodes --help` stays fast.
"""
