"""Runs `python -m dsmq_nodes.dsmq.broker`."""

import sys

from dsmq_nodes.dsmq.broker.serve import main

sys.exit(main())
