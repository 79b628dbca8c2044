"""The command that installs an extra, for every text that names one.

The command depends on where the kit was installed from: a clone, a repository's address, a wheel,
an index. pip records the first three (`direct_url.json`, PEP 610).
"""

import json
import shlex
import shutil
import sys
from collections.abc import Iterable
from importlib import metadata, util
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

_NAME: Final = "dsmq-nodes"


def command(extra: str) -> str:
    """Return the command that installs an extra where this program runs."""
    return f"{install()} {source(extra)}"


def missing(extra: str, modules: Iterable[str]) -> str:
    """Return how to install missing modules of an extra, or of none (""); empty: none misses."""
    absent = [name for name in modules if util.find_spec(name) is None]
    if not absent:
        return ""
    how = command(extra) if extra else libraries(*absent)
    return f"needs {' and '.join(absent)}: install with `{how}`"


def libraries(*names: str) -> str:
    """Return the command that installs libraries that are not in an extra."""
    return f"{install()} {' '.join(names)}"


def source(extra: str = "", *, folder: Path | None = None) -> str:
    """Return what pip has to install, quoted for a shell: the kit with an extra, from its origin.

    `folder` is where the command will be run; None: here.
    """
    wanted = f"[{extra}]" if extra else ""
    origin = _origin()
    url, path = str(origin.get("url", "")), Path(unquote(urlsplit(origin.get("url", "")).path))
    if "vcs_info" in origin:
        found = f"'{_NAME}{wanted} @ {origin['vcs_info'].get('vcs', 'git')}+{url}'"
    elif not url.startswith("file:"):
        found = f"'{_NAME}{wanted} @ {url}'" if url else f"'{_NAME}{wanted}'"
    elif not path.exists():  # a wheel that was built elsewhere, or a clone that was moved
        found = " ".join(f"'{each}'" for each in _libraries(extra)) or f"'{_NAME}{wanted}'"
    else:
        is_editable = origin.get("dir_info", {}).get("editable")
        place = "." if path == (folder or Path.cwd()) else str(path)
        found = f"{'-e ' if is_editable else ''}'{place}{wanted}'"
    return found


def _origin() -> dict[str, Any]:
    try:
        noted = metadata.distribution(_NAME).read_text("direct_url.json")
        origin: dict[str, Any] = json.loads(noted or "{}")
    # it runs from a clone that is not installed
    except (metadata.PackageNotFoundError, ValueError):
        clone = Path(__file__).parents[1]
        return {"url": clone.as_uri(), "dir_info": {"editable": True}}
    return origin


def _libraries(extra: str) -> list[str]:
    """Return the requirements of an extra."""
    required = [each.partition(";") for each in metadata.requires(_NAME) or []]
    return [
        what.strip()
        for what, _, when in required
        if extra and when.replace("'", '"').strip() == f'extra == "{extra}"'
    ]


def is_active() -> bool:
    """Whether the shell finds the programs of this environment."""
    found = shutil.which("pip")
    return found is not None and Path(found).parent == Path(sys.executable).parent


def install(*, activated: bool = False) -> str:
    """Return a command that installs for this interpreter.

    `activated`: the command will follow one that activates this environment.
    """
    own = Path(sys.executable)
    if is_active() or (activated and own.with_name("pip").exists()):
        return "pip install"
    place = own.relative_to(Path.cwd()) if own.is_relative_to(Path.cwd()) else own
    python = "python" if activated else shlex.quote(str(place))
    if util.find_spec("pip") is None and shutil.which("uv") is not None:
        return "uv pip install" if activated else f"uv pip install --python {python}"
    return f"{python} -m pip install"
