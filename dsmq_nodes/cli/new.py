"""`dsmq-nodes new`: a project to start from, a copy of cli/starter under another name."""

import keyword
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from dsmq_nodes.cli.options import examples_epilog, new_app

app = new_app()

_STARTER: Final = Path(__file__).parent / "starter"
_NAME: Final = "my_robot"
_PACKAGE: Final = f"dsmq_nodes.cli.starter.{_NAME}"
# Files with another name there: tools would use them for this repository.
_RENAMED: Final = {"pyproject.template.toml": "pyproject.toml", "gitignore.template": ".gitignore"}
_TAKEN: Final = sys.stdlib_module_names | {"dsmq_nodes", "launch", "tests", "pytest", "pydantic"}


@app.command(
    epilog=examples_epilog(
        ("dsmq-nodes new demo", ""),
        ("cd demo && pip install pytest && python -m pytest", "its own test"),
        ("dsmq-nodes launch launch/demo.yaml --duration 5", ""),
    ),
)
def new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The project's name, a Python package's.")
    ],
) -> None:
    """Make a project to start from: a sensor, a controller, a message, a launch file, a test."""
    _check(name)
    folder = Path(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise typer.BadParameter(f"{name} is there already; take another name, or move it away")
    for file in sorted(_STARTER.rglob("*")):
        path = file.relative_to(_STARTER)
        if file.is_dir() or "__pycache__" in path.parts or path.name == "__init__.py" == str(path):
            continue
        target = folder / str(path.with_name(_RENAMED.get(path.name, path.name))).replace(
            _NAME, name
        )
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise typer.BadParameter(f"{folder} cannot be made: {error.strerror}") from None
        text = file.read_text(encoding="utf-8").replace(_PACKAGE, name).replace(_NAME, name)
        target.write_text(text, encoding="utf-8")
    print(f"{name}/ is made: a sensor, a controller, a message, a launch file, a test. Next:")
    print(f"  cd {name} && pip install pytest && python -m pytest")
    print(f"  dsmq-nodes launch launch/{name}.yaml")


def _check(name: str) -> None:
    meant = "".join(c if c.isalnum() else "_" for c in name.lower()).strip("_")
    if name != meant or not name.isascii() or not name.isidentifier() or keyword.iskeyword(name):
        hint = f"; did you mean '{meant}'?" if meant.isidentifier() and meant != name else ""
        raise typer.BadParameter(f"{name!r} is no name of a Python package{hint}")
    if name in _TAKEN:
        raise typer.BadParameter(f"{name!r} is the name of another package; take another one")
