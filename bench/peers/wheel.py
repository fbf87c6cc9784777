"""The package of crates/python, built for release and installed beside its peers."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from measure import BenchError
from peers.base import BENCH
from peers.packages import installed

if TYPE_CHECKING:
    from pathlib import Path


def build_wheel(program: Path) -> Path:
    """Build the package for release around a program, with the tools that the gate has installed."""
    target = program.parents[1]
    tools = target / "python-package" / "bin"
    if not (tools / "maturin").exists():
        msg = "maturin is not there: run `cargo xtask package` once, or give --wheel"
        raise BenchError(msg)
    out = target / "python-package" / "release-wheels"
    shutil.rmtree(out, ignore_errors=True)
    argv = [
        str(tools / "pip"),
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(out),
    ]
    environment = {
        **os.environ,
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "LONGSHORE_COMMAND": str(program),
    }
    subprocess.run([*argv, str(BENCH.parent / "crates" / "python")], env=environment, check=True)
    return next(out.glob("*.whl"))


def environment(venv: Path, requirements: str, wheel: Path) -> Path:
    """Return a Python with the peers and the wheel."""
    programs = installed(venv, BENCH / requirements)
    argv = [str(programs / "pip"), "install", "-q", "--no-deps", "--force-reinstall", str(wheel.resolve())]
    subprocess.run(argv, check=True)
    return programs / "python"
