"""What the commands of `dsmq-nodes bag` do. Needs the extra `bag`."""
