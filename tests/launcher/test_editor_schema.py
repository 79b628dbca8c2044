"""The JSON Schema for editors: it takes what a launch takes."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dsmq_nodes.graph.parameters import yaml_source as source
from dsmq_nodes.launcher.check.editor_schema import launch_schema

ROOT = Path(__file__).parent.parent.parent
WRONG = Path(__file__).parent / "wrong"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    made = launch_schema(ROOT)
    jsonschema.Draft202012Validator.check_schema(made)
    return made


def complaints(schema: dict[str, Any], file: Path) -> list[str]:
    data = source.read_file(file, str(file)).data
    return [each.message for each in jsonschema.Draft202012Validator(schema).iter_errors(data)]


def test_the_launch_files_of_this_project_fit(schema: dict[str, Any]) -> None:
    files = sorted((ROOT / "launch").glob("*.yaml"))
    assert len(files) > 2
    assert {file.name: found for file in files if (found := complaints(schema, file))} == {}


def test_every_form_that_a_launch_takes_fits(schema: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text("""
args: {rate: 10, sim: true, name: {type: str, choices: [a, b]}}
log: {folder: log, keep: 2}
nodes:
- {name: a, node: other.package:Talker, rate: $(arg rate), if: $(arg sim), params: {x: [1]}}
- {name: z, node: other.package:Talker, depends_on: a}
- {name: b, exec: [sleep, "1"], depends_on: [a], restart: always, params_file: p.yaml}
- name: c
  node: examples.diffbot:Plant
  params: {seed: $(env SEED 1), use_sim_time: true}
  depends_on: {a: ready, b: {until: topic:/x, timeout: 3}}
  restart: {policy: on-failure, max: 3}
  params_file: [p.yaml, q.yaml]
- {include: other.yaml, namespace: r, count: 2, args: {x: $(index)}}
- namespace: r
  nodes: [{name: d, node: examples.talker:Talker, params: {text: hello}}]
""")
    assert complaints(schema, path) == []


@pytest.mark.parametrize(
    "name",
    ["unknown_at_top", "unknown_in_node", "rate_with_unit", "output", "nice"],
)
def test_wrong_files_do_not_fit(schema: dict[str, Any], name: str) -> None:
    assert complaints(schema, WRONG / f"{name}.yaml") != []


@pytest.mark.parametrize("params", ["{txt: hello}", "{text: 3}"])
def test_parameters_of_the_projects_classes_are_known(
    schema: dict[str, Any], tmp_path: Path, params: str
) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(f"nodes: [{{name: a, node: examples.talker:Talker, params: {params}}}]")
    assert complaints(schema, path) != []


def test_the_projects_classes_are_offered(schema: dict[str, Any]) -> None:
    known, anything = schema["$defs"]["NodeEntry"]["properties"]["node"]["anyOf"]
    assert {"examples.talker:Talker", "examples.diffbot:Plant"} <= set(known["enum"])
    assert anything["type"] == "string"


def test_without_classes_it_is_a_schema_too(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("from x import Node\n1 / 0\nclass A(Node): pass\n")
    (tmp_path / "cut.py").write_text("class A(Node:\n")
    made = launch_schema(tmp_path)
    jsonschema.Draft202012Validator.check_schema(made)
    assert complaints(made, ROOT / "launch" / "diffbot.yaml") == []
