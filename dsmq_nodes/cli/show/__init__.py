"""The bodies of the commands, and all that they print: one file for each.

The noun's file in `cli/` has flags and help and imports the body only when its command runs, so
that `dsmq-nodes --help` stays fast.
"""
