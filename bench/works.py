"""The works: what is moved, made once from a seed and kept for later runs."""

from __future__ import annotations

import filecmp
import random
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

KIB = 1024
MIB = 1024 * KIB
SEED = 20_240_701
PER_FOLDER = 250


@dataclass(frozen=True)
class Work:
    """A number of files of one size."""

    name: str
    count: int
    size: int

    def scaled(self, factor: float) -> Work:
        """Return a smaller or larger work: one file changes its size, many change their number."""
        if self.count == 1:
            return Work(self.name, 1, max(1, int(self.size * factor)))
        return Work(self.name, max(1, int(self.count * factor)), self.size)

    @property
    def total(self) -> int:
        """The bytes of all files."""
        return self.count * self.size

    def __str__(self) -> str:
        """Say it as a table's heading does."""
        for unit, name in ((1024 * MIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
            if self.size >= unit:
                return f"{self.count:,} × {self.size / unit:.4g} {name}"
        return f"{self.count:,} × {self.size} B"

    def names(self) -> list[str]:
        """Return the files' paths relative to the work's folder."""
        return [f"d{n // PER_FOLDER:03}/f{n:05}.bin" for n in range(self.count)]

    def make(self, root: Path) -> Path:
        """Make the files below a folder, unless an earlier run made them, and return their folder."""
        folder = root / f"{self.name}-{self.count}x{self.size}"
        done = folder.with_suffix(".done")
        if done.exists():
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        numbers = random.Random(f"{SEED}:{self.name}")
        for name in self.names():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                left = self.size
                while left > 0:
                    step = min(left, MIB)
                    file.write(numbers.randbytes(step))
                    left -= step
        done.touch()
        return folder

    def root_of(self, folder: Path) -> Path:
        """Return where the files are: in the folder, or below the one folder that a client put between."""
        here = folder
        for _ in range(3):
            if (here / "d000").is_dir():
                return here
            inner = list(here.iterdir()) if here.is_dir() else []
            if len(inner) != 1:
                break
            here = inner[0]
        return folder

    def fault(self, source: Path, target: Path, *, bytes_too: bool) -> str | None:
        """Compare what arrived with what was sent: names and sizes, and every byte when asked."""
        target = self.root_of(target)
        arrived = {str(p.relative_to(target)) for p in target.rglob("*") if p.is_file()}
        expected = set(self.names())
        if arrived != expected:
            return f"{len(expected - arrived)} files are missing, {len(arrived - expected)} are too many"
        for name in expected:
            if (target / name).stat().st_size != self.size:
                return f"{name} has a wrong size"
            if bytes_too and not filecmp.cmp(source / name, target / name, shallow=False):
                return f"{name} has wrong bytes"
        return None


WORKS = {
    work.name: work
    for work in (
        Work("big", 1, 1024 * MIB),
        Work("medium", 2000, 64 * KIB),
        Work("small", 5000, 4 * KIB),
        # For the memory of both ends with very many files; not among the works run by default.
        Work("many", 10_000, 4 * KIB),
    )
}
DEFAULT_WORKS = ("big", "medium", "small")
