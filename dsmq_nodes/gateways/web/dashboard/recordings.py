"""The page's record button: `bag record --all` as a process beside the gateway, one at a time.

The files are in `recordings/`, in the folder where the gateway was started, and are not deleted;
pages can download them.
"""

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from dsmq_nodes.bag.optional import need_bag
from dsmq_nodes.dsmq.address import AnyAddress, address_of
from dsmq_nodes.errors import CommandError
from dsmq_nodes.printable import one_line

logger = logging.getLogger("dsmq_nodes.web")

FOLDER: Final = "recordings"
_BEGIN_SEC: Final = 60.0  # the wait for its file: a busy machine starts Python slowly
_POLL_SEC: Final = 0.05
_END_SEC: Final = 20.0
_LONGEST_WHY: Final = 400


class Recordings:
    """The running recording, if any.

    Attributes:
        folder: the folder of the files.
        name: the file that is being written; empty if there is none.
    """

    def __init__(self, broker: AnyAddress, folder: Path, on_end: Callable[[str], None]) -> None:
        """Prepare; `on_end` is called with a text when a recording ends by itself."""
        self._broker, self.folder, self._on_end = broker, folder, on_end
        self.name = ""
        self._process: asyncio.subprocess.Process | None = None
        self._ending: asyncio.Task[str] | None = None  # returns its error output
        self._is_wanted = False  # it continues until it is stopped
        self._doing: asyncio.Task[str] | None = None

    async def _to_its_end(self, work: Coroutine[Any, Any, str]) -> str:
        """Begin or end a recording, even if the page that requested it is gone meanwhile."""
        self._doing = asyncio.create_task(work)
        return await asyncio.shield(self._doing)

    async def start(self) -> str:
        """Record everything from now on, and return the file's name.

        Raises:
            CommandError: a recording is running already, or cannot be started.
            BagError: the extra `bag` is not installed.
        """
        need_bag()
        if self.name:
            raise CommandError(f"{self.name} is already being recorded")
        self.name = f"{time.strftime('%Y_%m_%d-%H_%M_%S')}.mcap"
        return await self._to_its_end(self._started(self.name))

    async def _started(self, name: str) -> str:
        words = ("-m", "dsmq_nodes", "bag", "record", "--all", "--output", str(self.folder / name))
        try:
            async with asyncio.timeout(_BEGIN_SEC):
                # A thread does it: while the disk hangs, the STOP of the pages has to work.
                await asyncio.to_thread(self.folder.mkdir, parents=True, exist_ok=True)
                self._process = process = await asyncio.create_subprocess_exec(
                    *(sys.executable, *words, "--broker", str(address_of(self._broker))),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.PIPE,
                )
                self._ending = asyncio.create_task(self._ended(process))
                while process.returncode is None and not (self.folder / name).is_file():
                    await asyncio.sleep(_POLL_SEC)
        except TimeoutError:
            if self._process is None or self._ending is None:
                self.name = ""
            else:
                self._process.kill()
                await self._ending
            raise CommandError(
                f"the recording has not begun within {_BEGIN_SEC:g} s: is the machine overloaded, "
                f"or {self.folder} on a disk that hangs?"
            ) from None
        except OSError as error:
            self.name = ""
            raise CommandError(f"cannot record into {self.folder}: {error.strerror}") from None
        if process.returncode is not None:
            raise CommandError(f"the recording failed: {await self._ending}")
        self._is_wanted = True
        return name

    async def stop(self) -> str:
        """End the recording, and return the file's name.

        Raises:
            CommandError: no recording is running, or it failed.
        """
        if self._doing is not None:
            await asyncio.wait([self._doing])  # it may not have begun yet
        process, ending = self._process, self._ending
        if process is None or ending is None:
            raise CommandError("nothing is being recorded")
        return await self._to_its_end(self._stopped(process, self.name, ending))

    async def _stopped(
        self, process: asyncio.subprocess.Process, name: str, ending: asyncio.Task[str]
    ) -> str:
        self._is_wanted = False
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            try:
                await asyncio.wait_for(process.wait(), _END_SEC)
            except TimeoutError:
                process.kill()
        why = await ending
        if process.returncode or not (self.folder / name).is_file():
            raise CommandError(f"the recording failed: {why}")
        return name

    async def _ended(self, process: asyncio.subprocess.Process) -> str:
        """Wait for the end of a recording, and return its error output."""
        assert process.stderr is not None
        error_output = b""
        while piece := await process.stderr.read(_LONGEST_WHY):
            error_output = (error_output + piece)[-_LONGEST_WHY:]
        await process.wait()
        name, self.name, self._process = self.name, "", None
        killed = f"its process was killed: `dsmq-nodes bag repair {self.folder / name}` saves it"
        why = one_line(error_output.decode(errors="replace").strip()) or killed
        if self._is_wanted:
            self._is_wanted = False
            self._on_end(f"the recording {name} has ended: {why}")
        return why

    async def close(self) -> None:
        """End a running recording, at the gateway's end; log why it failed, if it has."""
        if self.name:
            try:
                await self.stop()
            except CommandError as error:
                logger.error("%s", error)  # noqa: TRY400  it is no fault of the gateway
