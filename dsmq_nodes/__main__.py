"""`python -m dsmq_nodes` is `dsmq-nodes`."""

from dsmq_nodes.cli import main

if __name__ == "__main__":
    main()
