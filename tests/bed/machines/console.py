"""The instances' consoles: terminals whose output is kept in files."""

import os
import pty
import selectors
import threading
from pathlib import Path

# AWS keeps 64 KiB of a console; the file keeps more, but an instance must not fill the disk by talking.
FILE_LIMIT_BYTES = 8 << 20
ANSWER_BYTES = 64 << 10


class Consoles:
    """One thread reads every console and appends what comes to its file."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.files: dict[int, tuple[Path, int]] = {}  # terminal -> its file, and our end of the instance's side
        self.wake_reader, self.wake_writer = os.pipe()
        self.selector.register(self.wake_reader, selectors.EVENT_READ)
        threading.Thread(target=self._read_forever, daemon=True).start()

    def open(self, path: Path) -> tuple[int, int]:
        """A new console that is kept in the file: what to close it by, and the instance's side of the terminal.

        The instance's side must not be opened again by its path: that would make it the terminal that controls us.
        """
        terminal, inner = pty.openpty()
        # Our own end of the instance's side stays open, else the terminal hangs up whenever nobody in the instance has it open.
        self.files[terminal] = (path, inner)
        self.selector.register(terminal, selectors.EVENT_READ)
        os.write(self.wake_writer, b".")
        return terminal, inner

    def close(self, terminal: int) -> None:
        if terminal in self.files:
            self._drain(terminal)
            self.selector.unregister(terminal)
            _, inner = self.files.pop(terminal)
            os.close(inner)
            os.close(terminal)

    def _drain(self, terminal: int) -> None:
        os.set_blocking(terminal, False)
        try:
            while data := os.read(terminal, 65536):
                _append(self.files[terminal][0], data)
        except OSError:
            pass

    def _read_forever(self) -> None:
        while True:
            for key, _ in self.selector.select():
                if key.fd == self.wake_reader:
                    os.read(self.wake_reader, 4096)
                    continue
                try:
                    _append(self.files[key.fd][0], os.read(key.fd, 65536))
                except (KeyError, OSError):
                    pass  # closed meanwhile


def _append(path: Path, data: bytes) -> None:
    try:
        with open(path, "ab") as file:
            if file.tell() < FILE_LIMIT_BYTES:
                file.write(data.replace(b"\r\n", b"\n"))
    except FileNotFoundError:
        pass


def latest(path: Path) -> bytes:
    """What AWS would show of a console."""
    if not path.exists():
        return b""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - ANSWER_BYTES))
        return file.read()
