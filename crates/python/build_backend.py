"""Builds the package as maturin does, and puts the command `longshore` into its wheel (PEP 517).

The command is built from the workspace that this folder lies in, or is what `LONGSHORE_COMMAND` names. A source
distribution holds no sources of it: what is built of one is the package alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import maturin
from maturin import (
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

HERE = Path(__file__).resolve().parent
WORKSPACE = HERE.parents[1]
DATA = HERE / "longshore.data"
"""What maturin puts into the wheel beside the package: `scripts` is what pip puts on the path."""

Settings = Mapping[str, Any]


def built() -> Path | None:
    """Return the command that was named, or is built now; None where its sources are not there."""
    if named := os.environ.get("LONGSHORE_COMMAND"):
        return Path(named)
    if not (WORKSPACE / "crates" / "cli" / "Cargo.toml").is_file():
        print("the wheel is built without the command: its sources are not here", file=sys.stderr)
        return None
    build = ["cargo", "build", "--release", "--locked", "--package", "longshore-cli"]
    told = subprocess.run(
        [*build, "--message-format", "json-render-diagnostics"],
        cwd=WORKSPACE,
        stdout=subprocess.PIPE,
        check=True,
    )
    found = [json.loads(line).get("executable") for line in told.stdout.splitlines() if line.startswith(b"{")]
    return Path(next(path for path in found if path))


@contextlib.contextmanager
def data(command: Path | None = None) -> Iterator[None]:
    """Have what goes beside the package lie where maturin looks for it."""
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir()
    try:
        if command is not None:
            scripts = DATA / "scripts"
            scripts.mkdir()
            shutil.copy(command, scripts / "longshore")
            if strip := shutil.which("strip"):
                subprocess.run([strip, scripts / "longshore"], check=True)
        yield
    finally:
        shutil.rmtree(DATA, ignore_errors=True)


def build_wheel(
    wheel_directory: str, config_settings: Settings | None = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel, and return its name."""
    with data(built()):
        name: str = maturin.build_wheel(wheel_directory, config_settings, metadata_directory)
    return name


def build_editable(
    wheel_directory: str, config_settings: Settings | None = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel that leads to this folder, and return its name."""
    with data(built()):
        name: str = maturin.build_editable(wheel_directory, config_settings, metadata_directory)
    return name


def build_sdist(sdist_directory: str, config_settings: Settings | None = None) -> str:
    """Build the source distribution, and return its name."""
    with data():
        name: str = maturin.build_sdist(sdist_directory, config_settings)
    return name


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: Settings | None = None) -> str:
    """Write what is known of the wheel, and return the folder's name."""
    with data():
        name: str = maturin.prepare_metadata_for_build_wheel(metadata_directory, config_settings)
    return name


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel
