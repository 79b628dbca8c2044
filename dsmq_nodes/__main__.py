"""Runs `python -m dsmq_nodes`, which is the same as `dsmq-nodes`."""

from dsmq_nodes.cli import main

if __name__ == "__main__":
    main()
