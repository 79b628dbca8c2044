"""`param dump` and `load`: what no golden file can hold."""

import re
from pathlib import Path

from tests.cli.conftest import Place


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
