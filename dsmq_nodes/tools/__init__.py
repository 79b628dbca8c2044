"""The peer without types: what the command line, bags and gateways stand on. It prints nothing."""
