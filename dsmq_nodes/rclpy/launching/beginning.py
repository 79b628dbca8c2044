"""Starts a program in another folder, or without some environment variables.

`python .../beginning.py --cwd DIR --without NAME -- WORDS`.
"""

import argparse
import os
import sys


def main() -> None:
    """Replace this process by the program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cwd")
    parser.add_argument("--without", action="append", default=[])
    parser.add_argument("words", nargs="+")
    given = parser.parse_args()
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
