"""Tables of what is hard to keep: names alike, texts that look like numbers, large integers."""

import csv
import itertools
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from dsmq_nodes.bag import BagWriter, Channel, schema_text
from dsmq_nodes.bag.any_bag import open_source
from dsmq_nodes.bag.convert.convert import Format, convert
from dsmq_nodes.bag.file.atomic import remove
from dsmq_nodes.messages import Float64, Image, String
from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.fields import int64, uint64
from tests.support import processes

Write = Callable[..., Path]
NAN = math.nan


class Point(Message):
    value: float = 0.0
    name: str = ""
    raw: bytes = b""


class Odd(Message):
    """What is hard to keep."""

    unsigned: uint64 = 0
    signed: int64 | None = None
    plain: int = 0
    text: str | None = None
    number: float | None = None
    flag: bool | None = None
    points: list[Point] = []
    either: int | str = 0
    raw: bytes = b""


def channel_of(topic: str, cls: type[Message]) -> Channel:
    return Channel(topic, cls.type_name, schema_text(cls.schema()))


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a bag of messages, or of JSON texts on channels."""

    def made(*messages: tuple[str | Channel, Message | str]) -> Path:
        with BagWriter(tmp_path / "run") as writer:
            for at, (where, msg) in enumerate(messages):
                if isinstance(msg, Message):
                    channel, text = channel_of(str(where), type(msg)), msg.to_json()
                else:
                    assert isinstance(where, Channel)
                    channel, text = where, msg
                writer.write(channel, at, text.encode(), at)
        return writer.paths[0]

    return made


def csv_of(path: Path, out: Path) -> dict[str, list[dict[str, str]]]:
    convert(open_source([path]), out, "csv")
    found = {}
    for each in out.iterdir():
        with each.open(newline="", encoding="utf-8") as stream:
            found[each.stem] = list(csv.DictReader(stream))
    return found


def parquet_of(path: Path, out: Path) -> dict[str, Any]:
    convert(open_source([path]), out, "parquet")
    return {each.stem: pq.read_table(each) for each in out.iterdir()}


def npz_of(path: Path, out: Path) -> dict[str, Any]:
    convert(open_source([path]), out, "npz")
    with np.load(out.with_name(f"{out.name}.npz")) as arrays:
        return dict(arrays)


# Names


ALIKE = ("/a_b", "/a/b", "/A/b", "a_b", "/x")
CALLED = {"/A/b": "A_b", "/a/b": "a_b_2", "/a_b": "a_b_3", "a_b": "a_b_4", "/x": "x"}


def test_topics_with_names_alike_have_each_a_file(write: Write, tmp_path: Path) -> None:
    path = write(*((topic, String(data=topic)) for topic in ALIKE))
    texts = {name: rows[0]["data"] for name, rows in csv_of(path, tmp_path / "csv").items()}
    assert texts == {name: topic for topic, name in CALLED.items()}
    tables = parquet_of(path, tmp_path / "parquet")
    assert {name: table["data"].to_pylist() for name, table in tables.items()} == {
        name: [topic] for topic, name in CALLED.items()
    }


def test_names_alike_in_an_npz(write: Write, tmp_path: Path) -> None:
    arrays = npz_of(write(("/a", String(data="/a")), ("a", String(data="a"))), tmp_path / "out")
    assert (arrays["a/data"].tolist(), arrays["a_2/data"].tolist()) == (["/a"], ["a"])


def test_the_command_tells_which_is_which(write: Write, tmp_path: Path) -> None:
    path = write(("/a/b", String()), ("/a_b", String()))
    command = ["bag", "convert", str(path), "-o", "out", "--to", "csv"]
    run = processes.run(
        [sys.executable, "-m", "dsmq_nodes", *command],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout.splitlines() == [
        "out: 2 messages",
        "/a_b is called a_b_2 in it: another topic has the name without the number",
    ]


# Texts and numbers


def test_a_text_that_looks_like_a_number_is_a_text(write: Write, tmp_path: Path) -> None:
    texts = ["NaN", "left", "Infinity", "-Infinity"]
    path = write(*(("/s", String(data=each)) for each in texts), ("/later", Float64(data=NAN)))
    found = csv_of(path, tmp_path / "csv")
    assert [row["data"] for row in found["s"]] == texts
    assert found["later"][0]["data"] == "nan"
    tables = parquet_of(path, tmp_path / "parquet")
    assert tables["s"]["data"].to_pylist() == texts
    assert math.isnan(tables["later"]["data"][0].as_py())
    arrays = npz_of(path, tmp_path / "npz")
    assert arrays["s/data"].tolist() == texts
    assert math.isnan(arrays["later/data"][0])


def test_numbers_that_json_has_not_in_a_list_of_objects(write: Write, tmp_path: Path) -> None:
    points = [Point(value=NAN, name="NaN"), Point(value=1.0, raw=b"\xff")]
    path = write(("/odd", Odd(points=points)), ("/odd", Odd()))
    ((nan, one), none) = parquet_of(path, tmp_path / "out")["odd"]["points"].to_pylist()
    assert none == []
    assert math.isnan(nan.pop("value"))
    assert nan == {"name": "NaN", "raw": ""}
    assert one == {"value": 1.0, "name": "", "raw": "/w=="}
    texts = npz_of(path, tmp_path / "npz")["odd/points"].tolist()
    assert texts[0].startswith('[{"value": NaN, "name": "NaN"')
    assert texts[1] == "[]"


def test_without_a_schema_the_others_of_the_field_decide(write: Write, tmp_path: Path) -> None:
    unknown = Channel("/u", "far_msgs/msg/Away", b'{"type":"object"}')
    path = write(
        (unknown, '{"x": "NaN", "name": "NaN", "list": [1, "Infinity"], "only": "NaN"}'),
        (unknown, '{"x": 2, "name": "left", "list": [2.5], "only": "Infinity"}'),
    )
    (table,) = parquet_of(path, tmp_path / "out").values()
    assert math.isnan(table["x"].to_pylist()[0])
    assert table["x"].to_pylist()[1] == 2.0
    assert table["name"].to_pylist() == ["NaN", "left"]
    assert table["list"].to_pylist() == [[1.0, math.inf], [2.5]]
    assert table["only"].to_pylist() == ["NaN", "Infinity"]


MIXED = ('{"x": 1, "more": {"y": true}}', '{"x": "one", "more": [1, "a"]}', '{"x": [1.5]}')


def test_values_of_several_types_are_json_texts(write: Write, tmp_path: Path) -> None:
    mixed = Channel("/mixed", "far_msgs/msg/Away", b"{}")
    path = write(*((mixed, each) for each in MIXED), ("/z_later", Float64(data=1.5)))
    tables = parquet_of(path, tmp_path / "out")
    assert list(map(json.loads, tables["mixed"]["x"].to_pylist())) == [1, "one", [1.5]]
    assert tables["mixed"]["more"].to_pylist() == [None, '[1, "a"]', None]
    assert tables["mixed"]["more.y"].to_pylist() == [True, None, None]
    assert tables["z_later"]["data"].to_pylist() == [1.5]
    arrays = npz_of(path, tmp_path / "npz")
    assert list(map(json.loads, arrays["mixed/x"])) == [1, "one", [1.5]]
    assert arrays["mixed/more"].tolist() == ["", '[1, "a"]', ""]
    assert arrays["mixed/more:missing"].tolist() == [True, False, True]


def test_two_types_on_a_topic(write: Write, tmp_path: Path) -> None:
    path = write(("/d", String(data="NaN")), ("/d", Float64(data=NAN)), ("/d", Float64(data=2.0)))
    (table,) = parquet_of(path, tmp_path / "out").values()
    assert table["data"].to_pylist() == ['"NaN"', "NaN", "2.0"]
    assert npz_of(path, tmp_path / "npz")["d/data"].tolist() == ['"NaN"', "NaN", "2.0"]


def test_texts_of_a_plain_client_are_texts(write: Write, tmp_path: Path) -> None:
    chat = Channel("chat", "", b"", "", "text")
    path = write(*((chat, each) for each in ("hello", "5", "NaN", '{"x": 1}')))
    (table,) = parquet_of(path, tmp_path / "out").values()
    assert table["text"].to_pylist() == ["hello", "5", "NaN", '{"x": 1}']


def test_half_of_a_surrogate_pair(write: Write, tmp_path: Path) -> None:
    text = '{"data": "\\ud83d"}'
    path = write((channel_of("/s", String), text))
    assert csv_of(path, tmp_path / "csv")["s"][0]["data"] == "\\ud83d"
    (table,) = parquet_of(path, tmp_path / "out").values()
    assert table["data"].to_pylist() == ['"\\ud83d"']


def test_half_of_a_surrogate_pair_in_a_name(write: Write, tmp_path: Path) -> None:
    path = write((Channel("/s", "x", b"{}"), '{"\\ud83dx": {"y": 1}}'))
    (table,) = parquet_of(path, tmp_path / "out").values()
    assert table["\\ud83dx.y"].to_pylist() == [1]
    arrays = np.load(convert(open_source([path]), tmp_path / "run", "npz").path)
    assert arrays["s/\\ud83dx.y"].tolist() == [1]


PROTOBUF = Channel("/p", "p.P", b"x", "protobuf", "protobuf")
DEEP = Channel("/deep", "d", b"{}")


@pytest.mark.parametrize("to", ["csv", "parquet", "npz"])
def test_what_is_no_table_is_left_out_and_told(to: Format, write: Write, tmp_path: Path) -> None:
    for channel, text, says in (
        (PROTOBUF, "\x00", "left out: /p: its messages are in 'protobuf', not in JSON"),
        (DEEP, '{"x":' + "[" * 99_999, "left out: /deep: 1 message at "),
        (DEEP, '{"x":' + "[" * 500 + "]" * 500 + "}", "left out: /deep: 1 message at "),
    ):
        path = write(("/first", String()), (channel, text))
        source = open_source([path])
        done = convert(source, tmp_path / "out", to)
        assert done.messages == 1
        (line,) = source.omitted.lines()
        assert line.startswith(says)
        path.unlink()
        remove(done.path)


EMPTY = (
    "{}", '{"x": {}}', '{"x": []}', '{"x": [{}]}', '{"x": [null]}', '{"x": null}',
    '{"x": [[], [1]]}', '{"x": [[{"y": []}]]}',
)  # fmt: skip


@pytest.mark.parametrize("to", ["csv", "parquet", "npz"])
@pytest.mark.parametrize("text", EMPTY)
def test_empty_values(to: Format, text: str, write: Write, tmp_path: Path) -> None:
    path = write((Channel("/e", "e", b"{}"), text), ("/z", String()))
    assert convert(open_source([path]), tmp_path / "out", to).messages == 2


# Integers, bytes, missing values

LARGE = (2**63 + 5, 2**64 - 1, 2**53 + 1)


def test_integers_are_exact(write: Write, tmp_path: Path) -> None:
    values = [Odd(unsigned=LARGE[0], plain=LARGE[1], signed=-(2**63)), Odd(signed=LARGE[2])]
    path = write(*(("/odd", each) for each in values), ("/odd", Odd()))
    arrays = npz_of(path, tmp_path / "out")
    assert arrays["odd/unsigned"].dtype == arrays["odd/plain"].dtype == np.uint64
    assert arrays["odd/unsigned"].tolist() == [LARGE[0], 0, 0]
    assert arrays["odd/plain"].tolist() == [LARGE[1], 0, 0]
    assert arrays["odd/signed"].dtype == np.int64
    assert arrays["odd/signed"].tolist() == [-(2**63), LARGE[2], 0]
    assert arrays["odd/signed:missing"].tolist() == [False, False, True]
    assert "odd/plain:missing" not in arrays
    (table,) = parquet_of(path, tmp_path / "parquet").values()
    assert table["unsigned"].to_pylist() == [LARGE[0], 0, 0]
    assert table["plain"].to_pylist() == [LARGE[1], 0, 0]
    assert table["signed"].to_pylist() == [-(2**63), LARGE[2], None]
    assert str(table["unsigned"].type) == "uint64"


def test_integers_that_no_type_holds_are_texts(write: Write, tmp_path: Path) -> None:
    any_integer = Channel("/i", "far", b"{}")
    rows = ('{"x": -1, "y": 9007199254740993}', '{"x": 18446744073709551615, "y": 0.5}')
    path = write(*((any_integer, each) for each in rows))
    arrays = npz_of(path, tmp_path / "out")
    assert arrays["i/x"].tolist() == ["-1", str(2**64 - 1)]
    assert arrays["i/y"].tolist() == [str(2**53 + 1), "0.5"]
    (table,) = parquet_of(path, tmp_path / "parquet").values()
    assert table["x"].to_pylist() == ["-1", str(2**64 - 1)]
    assert table["y"].to_pylist() == [str(2**53 + 1), "0.5"]


def test_missing_values_are_told_from_any_other(write: Write, tmp_path: Path) -> None:
    path = write(("/odd", Odd(text="nan", number=NAN, flag=False)), ("/odd", Odd()))
    arrays = npz_of(path, tmp_path / "out")
    for name, values in (("text", ["nan", ""]), ("flag", [False, False])):
        assert arrays[f"odd/{name}"].tolist() == values
        assert arrays[f"odd/{name}:missing"].tolist() == [False, True]
    assert np.isnan(arrays["odd/number"]).all()
    assert arrays["odd/number:missing"].tolist() == [False, True]
    (table,) = parquet_of(path, tmp_path / "parquet").values()
    assert table["text"].to_pylist() == ["nan", None]
    assert table["flag"].to_pylist() == [False, None]


def test_a_field_that_comes_later_or_goes(write: Write, tmp_path: Path) -> None:
    grows = Channel("/g", "g", b"{}")
    path = write(*((grows, each) for each in ('{"a": 1}', '{"b": "x"}', '{"a": 3, "b": "y"}')))
    (table,) = parquet_of(path, tmp_path / "out").values()
    assert table["a"].to_pylist() == [1, None, 3]
    assert table["b"].to_pylist() == [None, "x", "y"]
    rows = csv_of(path, tmp_path / "csv")["g"]
    assert [(row["a"], row["b"]) for row in rows] == [("1", ""), ("", "x"), ("3", "y")]


def test_bytes_are_arrays_of_bytes(write: Write, tmp_path: Path) -> None:
    images = [Image(data=bytes([index, 255, 0])) for index in range(2)]
    odd = [Odd(raw=raw) for raw in (b"ab", b"", b"\x00")]
    path = write(*(("/image", each) for each in images), *(("/odd", each) for each in odd))
    arrays = npz_of(path, tmp_path / "out")
    assert arrays["image/data"].dtype == np.uint8
    assert arrays["image/data"].tolist() == [[0, 255, 0], [1, 255, 0]]
    assert "image/data:offsets" not in arrays
    flat, offsets = arrays["odd/raw"], arrays["odd/raw:offsets"]
    assert flat.dtype == np.uint8
    found = [flat[a:b].tobytes() for a, b in itertools.pairwise(offsets)]
    assert found == [b"ab", b"", b"\x00"]


def test_bytes_that_are_no_base64_are_texts(write: Write, tmp_path: Path) -> None:
    path = write((channel_of("/image", Image), '{"data": "no base64!"}'))
    assert npz_of(path, tmp_path / "out")["image/data"].tolist() == ['"no base64!"']


def test_a_schema_that_is_nested_too_deeply_is_unknown(write: Write, tmp_path: Path) -> None:
    path = write((Channel("/x", "pkg/msg/Unknown", b"[" * 100_000), '{"a": 5}'))
    assert csv_of(path, tmp_path / "csv")["x"][0]["a"] == "5"
