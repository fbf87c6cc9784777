"""A disk that can lose power: a file, mounted through a loop device where nobody else sees it.

What the loop device has written is in the file; what only the kernel's caches have is not. So a copy of the
file, made while it is mounted, is what a disk holds when the power goes.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

from measure import BenchError

SIZE = 1 << 30
MAKE = {
    # Nothing is left for the kernel to do in the background: the device is quiet when its users are.
    "ext4": ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
}
OPTIONS = {
    # The kernel commits by itself after a minute instead of 5 s: what nobody flushed stays unflushed.
    "ext4": "loop,noatime,commit=60",
    "xfs": "loop,noatime",
}
SHUTDOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN, which are the same number."""
WITHOUT_FLUSHING = struct.pack("I", 2)
WRITES_DONE, IN_FLIGHT = 4, 8
"""Places in a block device's `stat`."""


def in_a_namespace_of_its_own(argument: str) -> None:
    """Start this program again where its mounts are its own, and end with it; go on when that has been done.

    However the program ends, the kernel then takes the mounts and the loop devices away.
    """
    if argument in sys.argv:
        return
    own = ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv, argument]
    os.execvp(own[0], own)


def why_not(kind: str) -> str:
    """Say why there can be no such disk here; empty when there can."""
    if os.geteuid() != 0:
        return "it takes root"
    if not Path("/dev/loop-control").exists():
        return "there are no loop devices"
    for program in (MAKE[kind][0], "mount", "umount", "losetup", "unshare"):
        if not shutil.which(program):
            package = "xfsprogs" if kind == "xfs" else "e2fsprogs, mount and util-linux"
            return f"{program} is not there (Debian: apt-get install {package})"
    # Root in a container may not be allowed what root is.
    for probe in (["unshare", "--mount", "--propagation", "private", "true"], ["losetup", "--find"]):
        if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
            return f"`{' '.join(probe)}` is refused"
    return ""


def run(*argv: str | Path) -> str:
    """Run a program and return what it printed; fail when it does."""
    done = subprocess.run(argv, capture_output=True, check=False, text=True)
    if done.returncode != 0:
        msg = f"{' '.join(map(str, argv))} failed: {done.stderr.strip()}"
        raise BenchError(msg)
    return done.stdout


class Disk:
    """A file with a file system, and the folder where it is mounted."""

    def __init__(self, kind: str, home: Path) -> None:
        """Make an empty file system below `home` and mount it."""
        self.kind = kind
        self.image = home / "disk.0"
        self.mounted_at = home / "disk"
        self.cuts = 0
        with self.image.open("wb") as image:
            image.truncate(SIZE)
        run(*MAKE[kind], self.image)
        self.mounted_at.mkdir()
        self._mount()

    def _mount(self) -> None:
        run("mount", "-t", self.kind, "-o", OPTIONS[self.kind], self.image, self.mounted_at)
        device = Path(run("losetup", "--associated", self.image, "--noheadings", "--output", "NAME").strip())
        self.stat = Path("/sys/block") / device.name / "stat"

    def _unmount(self) -> None:
        # A process that was killed and reaped may still have its files closed for it by the kernel.
        patience = time.monotonic() + 20
        while True:
            try:
                run("umount", self.mounted_at)
            except BenchError:
                if time.monotonic() > patience:
                    raise
                time.sleep(0.05)
            else:
                return

    def _writes(self) -> tuple[int, int]:
        fields = self.stat.read_text().split()
        return int(fields[WRITES_DONE]), int(fields[IN_FLIGHT])

    def pull(self) -> None:
        """Write nothing any more from this moment on, whatever anybody asks for."""
        folder = os.open(self.mounted_at, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, SHUTDOWN, WITHOUT_FLUSHING)
        finally:
            os.close(folder)

    def copy(self) -> int:
        """Copy the disk as it is while it is mounted; return how many copies had to be thrown away.

        A copy is of one moment only if nothing was written while it was made. Otherwise it may have a later
        write and lack an earlier one, which no disk would show.
        """
        target = self.image.with_suffix(f".{self.cuts + 1}")
        for thrown_away in range(50):
            while (before := self._writes())[1]:
                time.sleep(0.001)
            run("cp", "--sparse=auto", self.image, target)
            if self._writes() == before:
                return thrown_away
        msg = f"{self.image} is never quiet"
        raise BenchError(msg)

    def become_the_copy(self) -> None:
        """Take the disk away and put the last copy in its place, as it is after the power is back."""
        self._unmount()
        self.image.unlink()
        self.cuts += 1
        self.image = self.image.with_suffix(f".{self.cuts}")
        self._mount()

    def remove(self) -> None:
        """Unmount and delete it."""
        self._unmount()
        self.image.unlink()
        self.mounted_at.rmdir()
