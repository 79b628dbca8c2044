"""`param dump` and `load`: what no golden file can hold."""

import re
from pathlib import Path

from dsmq_nodes.tools.node_parameters import NodeParameters
from dsmq_nodes.tools.session import Session
from tests.cli.conftest import Place
from tests.support.waiting import PATIENCE_SEC


def test_what_was_dumped_is_loaded(mall: Place, tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    dumped = mall.here("param", "dump", "/mall/shop")[0]
    file.write_text(dumped, "utf-8")  # what is read-only stays as it is
    assert mall.here("param", "load", "/mall/shop", str(file))[1:] == ("", 0)
    changed = re.sub(r"pin: \d+", "pin: 99", dumped.replace("text: hello", "text: bye"))
    file.write_text(changed, "utf-8")
    output, errors, status = mall.here("param", "load", "/mall/shop", str(file))
    assert status == 1  # `pin` is read-only
    assert "Set parameter text successful\n" in output
    assert errors == ("pin: Setting parameter failed: pin is read-only\n1 of 5 were not set\n")
    assert mall.here("param", "get", "/mall/shop", "text")[0] == "String value is: bye\n"
    assert mall.here("param", "set", "/mall/shop", "text", "hello")[2] == 0
    output, errors, status = mall.here("param", "load", "/mall/customer", str(file))
    assert (output, status) == ("", 1)
    assert errors.endswith("shop.yaml has no parameters for /mall/customer\n")
    assert mall.here("param", "load", "/mall/shop", str(tmp_path / "shp.yaml"))[2] == 1


HALF_SET = """\
import rclpy

rclpy.init()
node = rclpy.create_node("half_set")
node.declare_parameter("gain", 1.5)
node.declare_parameter("mode", rclpy.Parameter.Type.STRING)
print("there", flush=True)
rclpy.spin(node)
"""


def test_a_program_for_rclpy_has_a_parameter_without_a_value(place: Place, tmp_path: Path) -> None:
    """Asked for several, it tells no value at all, as real rclpy does."""
    program = tmp_path / "half_set.py"
    program.write_text(HALF_SET, "utf-8")
    place.start("run", "--ours", str(program)).wait_for("^there$")
    assert place.here("param", "get", "/half_set", "mode") == ("Parameter not set.\n", "", 0)
    assert place.here("param", "get", "/half_set", "gain")[0] == "Double value is: 1.5\n"
    output, errors, status = place.here("param", "dump", "/half_set")
    assert ("    gain: 1.5\n" in output, errors, status) == (True, "", 0)
    with Session(place.broker) as session:
        assert output in NodeParameters(session).all_dumped(PATIENCE_SEC)[0]
