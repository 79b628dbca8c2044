"""What `import dsmq_nodes` offers, and what it costs."""

import runpy
import subprocess
import sys
import types
from unittest.mock import MagicMock

import pytest

import dsmq_nodes
from dsmq_nodes.messages.schema.find import standard_interfaces
from tests.support.processes import ROOT

# Each costs more than everything else at start-up together; the names that need them load them.
HEAVY = {"asyncio", "apsw", "numpy", "psutil", "pydantic", "rich", "sqlite3", "typer", "yaml"}


def in_a_new_python(program: str) -> str:
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_all_is_sorted_and_has_no_name_twice() -> None:
    assert dsmq_nodes.__all__
    assert list(dsmq_nodes.__all__) == sorted(set(dsmq_nodes.__all__))


def test_every_name_in_all_is_there() -> None:
    for name in dsmq_nodes.__all__:
        assert getattr(dsmq_nodes, name) is not None, name


def test_dir_shows_all_the_public_names_and_no_others() -> None:
    shown = {name for name in dir(dsmq_nodes) if not name.startswith("_")}
    submodules = {name for name in shown if isinstance(getattr(dsmq_nodes, name), types.ModuleType)}
    public = {name for name in dsmq_nodes.__all__ if not name.startswith("_")}
    assert public <= shown
    assert shown - submodules - public == set()


def test_dir_is_complete_before_anything_was_used() -> None:
    program = "import dsmq_nodes; print(set(dsmq_nodes.__all__) <= set(dir(dsmq_nodes)))"
    assert in_a_new_python(program) == "True\n"


def test_a_star_import_brings_every_name() -> None:
    program = (
        "from dsmq_nodes import *; import dsmq_nodes;"
        "print(sorted(set(dsmq_nodes.__all__) - set(globals())))"
    )
    assert in_a_new_python(program) == "[]\n"


def test_a_star_import_needs_no_extra_and_a_bag_says_which_one() -> None:
    program = (
        "import sys; sys.modules.update(mcap=None, zstandard=None, lz4=None);"
        "from dsmq_nodes import *\n"
        "try: Bag('run.mcap')\n"
        "except Exception as error: print(error)"
    )
    told = in_a_new_python(program)
    assert told.startswith("this needs mcap and zstandard and lz4: install with `"), told


def test_a_name_that_is_not_there_is_named_in_the_error() -> None:
    with pytest.raises(AttributeError, match=r"dsmq_nodes.*no_such_name"):
        getattr(dsmq_nodes, "no_such_name")  # noqa: B009 (mypy knows that it is not there)


def test_importing_the_package_imports_nothing_heavy() -> None:
    program = "import sys; before = set(sys.modules); import dsmq_nodes;"
    program += "print(*set(sys.modules) - before)"
    imported = {name.partition(".")[0] for name in in_a_new_python(program).split()}
    assert imported & HEAVY == set()


def test_a_node_imports_no_types_that_only_tools_read() -> None:
    program = "import sys, dsmq_nodes.graph.node; print(*sys.modules)"
    imported = set(in_a_new_python(program).split())
    assert "dsmq_nodes.messages.node_counters" in imported
    assert not imported & {
        f"dsmq_nodes.messages.{name}" for name in ("dsmq_msgs", "rcl_interfaces", "std", "sensor")
    }


def test_importing_the_package_prints_nothing_and_starts_no_thread() -> None:
    program = "import threading, dsmq_nodes; print(threading.active_count())"
    assert in_a_new_python(program) == "1\n"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("from dsmq_nodes import ReliabilityPolicy", "that is rclpy's; write QoSProfile(depth=10)"),
        ("from dsmq_nodes import MultiThreadedExecutor", "one thread runs all callbacks"),
        ("from dsmq_nodes import Twist", "write `from dsmq_nodes.messages import Twist`"),
        (
            "from dsmq_nodes.messages import Fibonacci",
            "write `from dsmq_nodes.messages.example_interfaces import Fibonacci`",
        ),
        ("from dsmq_nodes import Buffr", "did you mean `from dsmq_nodes import Buffer`?"),
        ("from dsmq_nodes.tf import Node", "write `from dsmq_nodes import Node`"),
        ("from dsmq_nodes.bag import Graph", "write `from dsmq_nodes.testing import Graph`"),
        ("from dsmq_nodes.messages import Twsit", "import Twist`?"),
        ("from dsmq_nodes.messages import find_type", "write `from dsmq_nodes import find_type`"),
        ("from dsmq_nodes.devices import LidarLD06", "devices import LidarLd06`?"),
        ("from dsmq_nodes import SerialLine", "write `from dsmq_nodes.devices import SerialLine`"),
        ("from dsmq_nodes.bag import Reader", "it has Attachment, Bag, BagMessage"),
        ("from dsmq_nodes import xyzzyxyzzy", "dir(dsmq_nodes) shows its names"),
    ],
)
def test_a_wrong_import_says_where_the_name_is(wrong: str, told: str) -> None:
    with pytest.raises(ImportError) as caught:
        exec(wrong, {})
    assert told in str(caught.value)


@pytest.mark.parametrize("package", ["messages", "tf", "bag", "testing", "lifecycle", "devices"])
def test_dir_of_a_package_shows_its_names(package: str) -> None:
    program = f"import dsmq_nodes.{package} as it; print(set(it.__all__) <= set(dir(it)))"
    program += "; print(hasattr(it, 'no_such_name'))"
    assert in_a_new_python(program) == "True\nFalse\n"


def test_every_type_of_messages_is_in_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("config.defaults", "structure.files", "structure.pages"):
        monkeypatch.setitem(sys.modules, f"mkdocs.{name}", MagicMock())
    pages = runpy.run_path(str(ROOT / ".github/site/site_pages.py"))
    told = set(pages["_public"]()["dsmq_nodes.messages"])
    told.update(*pages["_own_message_modules"]().values())
    parts = [name.split("/") for name in standard_interfaces()]
    assert {name for package, _, name in parts if package != "dsmq_msgs"} <= told
