"""The project that `dsmq-nodes new NAME` makes, as it is, with another name; see cli/new.py."""
