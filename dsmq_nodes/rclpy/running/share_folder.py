"""The share folder of a package: launch files, parameters, maps.

For a package of the working tree it is the package's folder, if each file that `setup.py` would
install into `share/NAME` lies there under the same name. Otherwise it is a folder of links with the
layout of an installation, and with links to everything in the package's folder.
"""

import atexit
import contextlib
import shutil
import tempfile
from functools import cache
from pathlib import Path

from dsmq_nodes.launcher.check.setup_py import SetupPy
from dsmq_nodes.messages.schema.ros_packages import RosPackage


@cache
def share_folder(package: RosPackage) -> Path:
    """Return the folder where programs find the files of a package."""
    share = Path("share") / package.name
    files = {
        Path(where).relative_to(share) / file.name: file
        for where, file in SetupPy(package.folder).data_files()
        if package.prefix is None and Path(where).is_relative_to(share) and file.exists()
    }
    if all((package.folder / place).exists() for place in files):
        return package.folder
    return _laid_out(package, files)


def _laid_out(package: RosPackage, files: dict[Path, Path]) -> Path:
    """Return a folder of links, which exists as long as this process runs."""
    top = Path(tempfile.mkdtemp(prefix="dsmq-share-"))
    atexit.register(shutil.rmtree, top, ignore_errors=True)
    for place, file in files.items():
        (top / place).parent.mkdir(parents=True, exist_ok=True)
        (top / place).symlink_to(file)
    for each in package.folder.iterdir():
        with contextlib.suppress(FileExistsError):
            (top / each.name).symlink_to(each)
    return top
