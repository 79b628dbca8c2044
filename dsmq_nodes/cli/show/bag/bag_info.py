"""Shows the contents of a bag."""

import json
from pathlib import Path

from dsmq_nodes.bag.any_bag import open_source
from dsmq_nodes.bag.bag_source import BagSource
from dsmq_nodes.bag.file.information import information, information_lines


def print_information(paths: list[Path], *, as_json: bool) -> BagSource:
    """Print the contents of a bag; return the bag, which lists its missing messages."""
    bag = open_source(paths)
    if as_json:
        print(json.dumps(information(bag), indent=2))
    else:
        for line in information_lines(bag):
            print(line)
    return bag
