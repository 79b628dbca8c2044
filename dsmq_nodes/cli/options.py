"""Common options of the commands: the form of the help, and the broker's address."""

import sys
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption
from typing_extensions import override

from dsmq_nodes.cli.ros_words import done_otherwise, in_our_words
from dsmq_nodes.errors import CommandError

# Equal to dsmq/address.py, whose import would take a third of the time of `--help`.
HOST: Final = "127.0.0.1"
PORT: Final = 30008

BROKER: Final = f"{HOST}:{PORT}"

BrokerOption = Annotated[
    str,
    typer.Option(
        "--broker",
        envvar="DSMQ_BROKER",
        metavar="HOST:PORT",
        help="The broker to ask.",
    ),
]


StdinOption = Annotated[bool, typer.Option("--stdin", help="Read VALUES from standard input.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
TypesOption = Annotated[bool, typer.Option("--show-types", "-t", help="Show types.")]
JsonLinesOption = Annotated[bool, typer.Option("--json", help="One line of JSON each.")]
MostOption = Annotated[
    int, typer.Option("--count", "-n", metavar="N", min=0, help="End after this many; 0: never.")
]
RemapOption = Annotated[
    list[str] | None,
    typer.Option("--remap", "-m", metavar="OLD:=NEW", help="Rename; may be repeated."),
]
ServerWaitOption = Annotated[
    float, typer.Option("--wait", metavar="SEC", min=0, help="Longest wait for a server.")
]
ValuesArgument = Annotated[
    str,
    typer.Argument(
        metavar="[VALUES]",
        show_default=False,
        help="Fields, YAML or JSON; a field that is left out has its default.",
    ),
]


class Verbs(TyperGroup):
    """The verbs of a noun; they also accept ros2's words."""

    @override
    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        if args and (hint := done_otherwise(f"{ctx.info_name} {args[0]}", args[1:])):
            ctx.fail(hint)
        verb, command, rest = super().resolve_command(ctx, args)
        return verb, command, in_our_words(f"{ctx.info_name} {verb}", rest)


def new_app(
    about: str = "",
    *examples: tuple[str, str],
    cls: type[TyperGroup] = Verbs,
    add_completion: bool = False,
) -> typer.Typer:
    """Make a command group, with examples at the end of its help; or, without them, one command."""
    return typer.Typer(
        cls=cls,
        help=about,
        epilog=examples_epilog(*examples),
        no_args_is_help=True,
        add_completion=add_completion,
        context_settings={"help_option_names": ["-h", "--help"]},
        # Rich's help takes 70 ms more, half of the time of `--help`.
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


def type_and_values(type_or_values: str, values: str, *, stdin: bool) -> tuple[str, str]:
    """Return the TYPE of a command line, empty if it is missing, and the VALUES."""
    is_values = type_or_values.lstrip().startswith("{") or ": " in type_or_values
    if stdin:
        values = read_values()
    elif is_values:
        values = type_or_values
    return "" if is_values else type_or_values, values


def read_values() -> str:
    """Return the values that standard input has, to its end."""
    return sys.stdin.read()


def examples_epilog(*examples: tuple[str, str]) -> str:
    """Return the end of a help text: commands, each with a remark behind it."""
    width = max((len(command) for command, _ in examples), default=0)
    lines = [f"  {command:{width}}  {remark and '# ' + remark}" for command, remark in examples]
    # \b: typer must not refill these lines.
    return "\n".join(["\b", "Examples:", *(line.rstrip() for line in lines)])


def renamings(remap: list[str]) -> dict[str, str]:
    """Parse `OLD:=NEW` texts.

    Raises:
        CommandError: a text has another form.
    """
    found = {}
    for each in remap:
        old, sign, new = each.partition(":=")
        if not (old and sign and new):
            raise CommandError(f"--remap {each}: write OLD:=NEW, as /scan:=/front/scan")
        found[old] = new
    return found


class ValueCommand(TyperCommand):
    """A command with a value as an argument: `-1` and `-left` are values, not options."""

    @override
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given, values = self._split_options(list(args))
        rest: list[str] = super().parse_args(ctx, [*given, "--", *values] if values else given)
        return rest

    def _split_options(self, words: list[str]) -> tuple[list[str], list[str]]:
        """Return the options with their values, and the rest."""
        options: dict[str, object] = dict.fromkeys(("--help", "-h"))
        for each in self.params:
            if isinstance(each, TyperOption):
                options |= dict.fromkeys((*each.opts, *each.secondary_opts), each)
        given: list[str] = []
        values: list[str] = []
        while words:
            word = words.pop(0)
            if word == "--":
                return given, [*values, *words]
            name = word.partition("=")[0] if word.startswith("--") else word
            if not word.startswith("--") and not _is_short(word, options):
                values.append(word)
                continue
            given.append(word)
            option = options.get(name)
            if isinstance(option, TyperOption) and not option.is_flag and word == name and words:
                given.append(words.pop(0))
        return given, values


def _is_short(word: str, options: Mapping[str, object]) -> bool:
    """Whether a word is a short option of a command, alone or with its value attached."""
    option = options.get(word[:2])
    takes_value = isinstance(option, TyperOption) and not option.is_flag
    return word in options or (len(word) > 2 and takes_value)
