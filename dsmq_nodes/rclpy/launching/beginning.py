"""Starts a program later, in another folder, or without some environment variables.

`python -m ... --delay 5 --cwd DIR --without NAME -- WORDS`.
"""

import argparse
import os
import signal
import sys
import time


def main() -> None:
    """Wait, then replace this process by the program; Ctrl-C before that ends it with status 0."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--cwd")
    parser.add_argument("--without", action="append", default=[])
    parser.add_argument("words", nargs="+")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        time.sleep(given.delay)
    except KeyboardInterrupt:
        sys.exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        for name in given.without:
            os.environ.pop(name, None)
        if given.cwd:
            os.chdir(given.cwd)
        os.execvp(given.words[0], given.words)
    except OSError as error:
        sys.exit(f"cannot begin {given.words[0]} in {given.cwd or '.'}: {error.strerror}")


if __name__ == "__main__":
    main()
