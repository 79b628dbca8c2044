"""Loads the files of the page into memory, each plain and compressed."""

import gzip
import hashlib
from pathlib import Path
from typing import Final, NamedTuple

PAGE: Final = Path(__file__).parent / "dashboard" / "page"
_TYPES: Final = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".webmanifest": "application/manifest+json",
}


class PageFile(NamedTuple):
    """One file."""

    content_type: str
    data: bytes
    compressed: bytes
    tag: str


def page_files(folder: Path = PAGE) -> dict[str, PageFile]:
    """Return all files below a folder, by their relative paths with `/`."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in _TYPES:
            data = path.read_bytes()
            tag = hashlib.sha256(data).hexdigest()[:16]
            compressed = gzip.compress(data, 9, mtime=0)
            name = path.relative_to(folder).as_posix()
            found[name] = PageFile(_TYPES[path.suffix], data, compressed, tag)
    return found
