"""`dsmq-nodes docs`: the guide without a network; a wheel has its pages as text."""

import re
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markdown import Markdown

import dsmq_nodes
from dsmq_nodes.cli.options import examples_epilog, new_app
from dsmq_nodes.cli.terminal import console
from dsmq_nodes.errors import CommandError
from dsmq_nodes.suggest import did_you_mean

app = new_app()

_PACKAGE: Final = Path(dsmq_nodes.__file__).parent
# In a wheel, and in a clone.
_FOLDERS: Final = (_PACKAGE / "guide", _PACKAGE.parent / ".github" / "guide")
_INDEX: Final = "README"
_IMAGE: Final = re.compile(r"^(?:!\[|<img ).*\n+", re.MULTILINE)
_LOCAL_LINK: Final = re.compile(r"\[([^\]]+)\]\((?![a-z]+://)[^)]*\)")


def _pages() -> dict[str, str]:
    """Return the pages' Markdown, by name."""
    folder = next((each for each in _FOLDERS if each.is_dir()), None)
    if folder is None:
        raise CommandError(f"the guide is missing: it should be in {_FOLDERS[0]}; install again")
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.md"))}


def _names() -> list[str]:
    return [name for name in _pages() if name != _INDEX]


@app.command(
    epilog=examples_epilog(
        ("dsmq-nodes docs", "the list of the pages"),
        ("dsmq-nodes docs first_robot", ""),
        ("dsmq-nodes docs lifespan", "the pages with this word"),
        ("dsmq-nodes docs safety | less", "its Markdown"),
    ),
)
def docs(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PAGE]", help="A page, or a word that it has.", autocompletion=_names
        ),
    ] = None,
) -> None:
    """Show the guide, also without a network. Without a page it lists the pages."""
    pages = _pages()
    page = _found(" ".join(words), pages) if words else _INDEX
    if page not in pages:
        print(page)
        return
    text = _IMAGE.sub("", pages[page])
    if not sys.stdout.isatty():
        print(text, end="")
        return
    if page == _INDEX:
        # a link becomes the page's name, as `docs` expects it
        text = re.sub(r"\[([^\]]+)\]\((\w+)\.md\)", r"\1 `\2`", text)
    console().print(Markdown(_LOCAL_LINK.sub(r"\1", text)))


def _found(page: str, pages: dict[str, str]) -> str:
    """Return the name of a page, or the lines of the pages that have a word.

    In a name spaces, hyphens and a file's ending make no difference.

    Raises:
        CommandError: there is neither such a page nor a page with that word.
    """
    name = page.removesuffix(".md").lower().replace("-", "_").replace(" ", "_")
    if name in pages:
        return name
    having = [
        f"  {each}: {line.strip()}"
        for each in pages
        if each != _INDEX and (line := _line_with(page, pages[each]))
    ]
    if having:
        return "\n".join([f"{page} is in", *having])
    raise CommandError(f"no page {page}; {did_you_mean(name, _names())}")


def _line_with(word: str, text: str) -> str:
    """Return the first line that has a word."""
    return next((line for line in text.splitlines() if word.lower() in line.lower()), "")
