"""Packages of others, each set in a virtual environment of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from measure import BenchError

if TYPE_CHECKING:
    from pathlib import Path


def installed(venv: Path, requirements: Path) -> Path:
    """Make the environment, once for each content of the file; return the folder of its programs."""
    programs, wanted = venv / "bin", requirements.read_text()
    stamp = venv / "requirements.txt"
    if stamp.exists() and stamp.read_text() == wanted:
        return programs
    print(f"installing {requirements.name} …", file=sys.stderr, flush=True)
    shutil.rmtree(venv, ignore_errors=True)
    for argv in (
        [sys.executable, "-m", "venv", str(venv)],
        [str(programs / "pip"), "install", "-q", "--disable-pip-version-check", "-r", str(requirements)],
    ):
        done = subprocess.run(argv, capture_output=True, check=False)
        if done.returncode != 0:
            tail = (done.stdout + done.stderr).decode(errors="replace").strip()[-300:]
            msg = f"{requirements.name} does not install ({tail}); needs python3-venv and a package index"
            raise BenchError(msg)
    stamp.write_text(wanted)
    return programs
