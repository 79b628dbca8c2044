"""The bodies of the commands of `dsmq-nodes bag`. Needs the extra `bag`."""
