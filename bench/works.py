"""The works: what is moved, made once from a seed and kept for later runs."""

from __future__ import annotations

import filecmp
import random
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

KIB = 1024
MIB = 1024 * KIB
SEED = 20_240_701
PER_FOLDER = 250


@dataclass(frozen=True)
class Work:
    """A number of files, of one size or of many."""

    name: str
    count: int
    size: int
    """The size of each, or of the largest."""
    is_mixed: bool = False
    """Whether the sizes are spread, as those of a folder of people's files are."""

    def scaled(self, factor: float) -> Work:
        """Return a smaller or larger work: one file changes its size, many change their number."""
        if self.count == 1:
            return replace(self, size=max(1, int(self.size * factor)))
        return replace(self, count=max(1, int(self.count * factor)))

    def sizes(self) -> list[int]:
        """Return the size of each file.

        Mixed ones are spread evenly over the logarithm, with as many from 1 to 2 KiB as from 512 KiB to
        1 MiB; one in a hundred is empty.
        """
        if not self.is_mixed:
            return [self.size] * self.count
        numbers = random.Random(f"{SEED}:{self.name}:sizes")
        return [
            0 if numbers.random() < 0.01 else int(self.size ** numbers.uniform(0.35, 1))
            for _ in range(self.count)
        ]

    def __str__(self) -> str:
        """Say it as a table's heading does."""
        if self.is_mixed:
            whole = sum(self.sizes()) // MIB
            return f"{self.count:,} files of 0 B to {self.size // MIB} MiB, {whole} MiB in all"
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
        for name, size in zip(self.names(), self.sizes(), strict=True):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                left = size
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
        for name, size in zip(self.names(), self.sizes(), strict=True):
            if (target / name).stat().st_size != size:
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
        Work("mixed", 10_000, MIB, is_mixed=True),
        # For the memory of both ends with very much and with very many; not among the works run by default.
        Work("huge", 1, 10 * 1024 * MIB),
        Work("many", 10_000, 4 * KIB),
    )
}
DEFAULT_WORKS = ("big", "medium", "small", "mixed")
