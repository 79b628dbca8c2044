"""`dsmq-nodes new`: a project to start from, a copy of cli/starter under another name."""

import keyword
import re
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import typer

from dsmq_nodes import installing
from dsmq_nodes.cli.options import examples_epilog, new_app

app = new_app()

_STARTER: Final = Path(__file__).parent / "starter"
_NAME: Final = "my_robot"
_PACKAGE: Final = f"dsmq_nodes.cli.starter.{_NAME}"
# These have another name in the starter: there, tools would apply them to this repository.
_RENAMED: Final = {
    "pyproject.template.toml": "pyproject.toml",
    "gitignore.template": ".gitignore",
    "deploy/workflow.yaml": ".github/workflows/test.yaml",
}
_OTHERS: Final = {"launch", "rclpy", "test", "tests", "pytest"}
_TAKEN: Final = sys.stdlib_module_names | _OTHERS
_PYTHON: Final = "{}.{}".format(*sys.version_info)


@app.command(
    epilog=examples_epilog(
        ("dsmq-nodes new demo", ""),
        ("cd demo && pip install -e '.[dev]'", "pytest and ruff"),
        ("pytest && ruff check . && dsmq-nodes launch launch/demo.yaml", ""),
    ),
)
def new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The name of the project and its Python package.")
    ],
    *,
    deploy: Annotated[
        bool, typer.Option("--deploy", help="Add a systemd unit, a Dockerfile and a CI workflow.")
    ] = False,
) -> None:
    """Make a project: sensor, controller, message, launch file, test."""
    _check(name)
    folder = Path(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise typer.BadParameter(f"{name} is there already; take another name, or move it away")
    for file in sorted(_STARTER.rglob("*")):
        path = file.relative_to(_STARTER).as_posix()
        is_wanted = deploy or not path.startswith("deploy/")
        if is_wanted and file.is_file() and path != "__init__.py" and "__pycache__" not in path:
            target = folder / _RENAMED.get(path, path).replace(_NAME, name)
            _write(target, _of_the_project(file.read_text(encoding="utf-8"), name))
    print(f"{name}/ is made: a sensor, a controller, a message, a launch file, a test. Next:")
    print(f"  cd {name} && {_install()} -e '.[dev]'")
    print(f"  pytest && ruff check . && dsmq-nodes launch launch/{name}.yaml")
    if deploy:
        print(
            "Each file in deploy/ says how it is used; .github/workflows/test.yaml runs the tests."
        )


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be written: {error.strerror}") from None


def _of_the_project(text: str, name: str) -> str:
    """Return a starter's file with the project's name, and its imports in the project's order."""
    lines = text.replace(_PACKAGE, name).replace(_NAME, name).splitlines(keepends=True)
    imports = [n for n, line in enumerate(lines) if line.startswith("from ")]
    if imports:
        sections: list[list[str]] = [[], [], []]  # standard library, third party, the project's own
        for line in sorted(lines[n] for n in imports):
            package = line.split()[1].partition(".")[0]
            sections[2 if package == name else package not in sys.stdlib_module_names].append(line)
        block = "\n".join("".join(each) for each in sections if each)
        lines[imports[0] : imports[-1] + 1] = [block]
    return (
        "".join(lines).replace("PYTHON_VERSION", _PYTHON).replace("KIT_SOURCE", _source(Path(name)))
    )


def _source(folder: Path) -> str:
    """Return the source of which pip would build this kit, as seen from the project's folder."""
    return installing.source(folder=folder.absolute()).removeprefix("-e ")


def _install() -> str:
    """Return how a shell installs into this environment; it is activated first if it is not yet."""
    activate = Path(sys.executable).with_name("activate")
    if installing.is_active() or not activate.exists():
        return "pip install"
    return f". {shlex.quote(str(activate))} && {installing.install(activated=True)}"


_NAMES = "it has small letters, digits and _, begins with a letter, and is no word of Python's own"


def _check(name: str) -> None:
    meant = re.sub("[^a-z0-9]", "_", name.lower()).strip("_")
    if name != meant or not name.isidentifier() or keyword.iskeyword(name):
        hint = f"; did you mean '{meant}'?" if meant.isidentifier() and meant != name else ""
        raise typer.BadParameter(f"{name!r} is no name of a Python package: {_NAMES}{hint}")
    installed = find_spec(name)
    if name in _TAKEN or (installed and installed.origin):
        raise typer.BadParameter(f"{name!r} is the name of another package; take another one")
