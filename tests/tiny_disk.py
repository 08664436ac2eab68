"""A disk of the test's own, whose room it may take away and give back while something works on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOM: Final = "2g"  # of what is written alone it takes memory
MOUNT: Final = 'mount -t tmpfs -o size="$1" tmpfs "$2" && echo mounted && exec cat'


class NoTinyDisk(Exception):
    """This machine gives no user a mount of its own."""


@dataclass(frozen=True, slots=True)
class TinyDisk:
    """A tmpfs over a folder, in a mount namespace that a process of ours holds. Use as a context manager."""

    folder: Path
    holder: subprocess.Popen[str]

    @classmethod
    def mount(cls, folder: Path) -> TinyDisk:
        """Raises: NoTinyDisk: with what the system said."""
        words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh", ROOM, str(folder)]
        if missing := [name for name in ("unshare", "nsenter") if shutil.which(name) is None]:
            raise NoTinyDisk(f"there is no {missing[0]}")
        pipe = subprocess.PIPE
        holder = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        if holder.stdout.readline() != "mounted\n":
            raise NoTinyDisk(holder.communicate(timeout=10)[1].strip())
        return cls(folder, holder)

    def __enter__(self) -> TinyDisk:
        return self

    def __exit__(self, *_: object) -> None:
        self.holder.communicate(timeout=10)  # its input ends, and with it the mount

    @property
    def prefix(self) -> tuple[str, ...]:
        """Words before a command that is to see the disk."""
        target = ("--target", str(self.holder.pid))
        return ("nsenter", "--preserve-credentials", "--user", "--mount", *target)

    def seen(self, path: Path) -> Path:
        """The path by which a process outside sees what lies on the disk."""
        return Path(f"/proc/{self.holder.pid}/root{path}")

    def fill(self, room_bytes: int = 0) -> None:
        """Leave so much room and no more; 0: not one page."""
        for _ in range(100):
            facts = os.statvfs(self.seen(self.folder))
            used = (facts.f_blocks - facts.f_bfree) * facts.f_frsize
            if self._remount(f"size={used + room_bytes}").returncode == 0:  # refused where more was written meanwhile
                return
        raise AssertionError("the disk could not be filled")

    def make_room(self) -> None:
        """Give the room back, and the right to write."""
        assert self._remount(f"rw,size={ROOM}").returncode == 0

    def forbid_writing(self) -> None:
        """Make it read-only. A process that is ending gives up its memory, and so its name, before its files."""
        limit = time.monotonic() + 5
        while self._remount("ro").returncode:
            assert time.monotonic() < limit, "somebody is still writing"
            time.sleep(0.05)

    def _remount(self, options: str) -> subprocess.CompletedProcess[bytes]:
        words = [*self.prefix, "mount", "-o", f"remount,{options}", str(self.folder)]
        return subprocess.run(words, capture_output=True, check=False)
