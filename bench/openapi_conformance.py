#!/usr/bin/env python3
"""Have schemathesis look for requests that Longshore answers otherwise than docs/openapi.json says.

Starts `longshore serve`, and sends it what schemathesis makes of the document: good requests, bad ones and
sequences of them, with all its checks. Ends with 1 when one found something; the output says how to send the
request again.

Run it with a Python that has bench/requirements-openapi.txt, or by `cargo xtask openapi-conformance`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from peers.base import BENCH
from peers.longshore import Longshore, find_program

SETTINGS = BENCH / "openapi"
DOCUMENT = BENCH.parent / "docs" / "openapi.json"
# Many of the keys that it tries are none, on purpose.
CONFIG = "[rates]\nfailures_per_minute = 0\n"
# How many files there are to find: some of them are deleted on the way.
FILES = 40


def made(longshore: Longshore, work: Path) -> dict[str, list[str]]:
    """Make something of each kind, and return the ids by their prefixes."""
    folder = work / "files"
    folder.mkdir()
    for round_ in range(2):
        for number in range(FILES):
            (folder / f"{number}.txt").write_text(f"{number} of {round_}\n")
        longshore("up", str(folder), "/files")
    told = [longshore("workspaces", "current", "--json")]
    for number in range(FILES):
        path = f"/files/{number}.txt"
        told.append(longshore("stat", path, "--json"))
        told.append(longshore("versions", "list", path, "--json"))
    for number in range(4):
        told.append(longshore("notes", "add", f"/files/{number}.txt", "a note", "--json"))
        told.append(longshore("hooks", "add", f"https://receiver.example/{number}", "--json"))
        told.append(longshore("principals", "create", f"person {number}", "--json"))
        told.append(longshore("keys", "create", f"key {number}", "--role", "viewer", "--json"))
        told.append(longshore("invite", "create", "viewer", "--json"))
    # The last one: two workspaces leave it open which a verb means.
    told.append(longshore("workspaces", "create", "second", "--json"))
    found: dict[str, list[str]] = {}
    for prefix, rest in re.findall(r'"([a-z]{2,4}_)([0-7][0-9a-hjkmnp-tv-z]{25})"', "".join(told)):
        ids = found.setdefault(prefix, [])
        if prefix + rest not in ids:
            ids.append(prefix + rest)
    return found


def run(program: Path, seconds: int, seed: int | None, work: Path) -> int:
    """Start a server and have it tested; return how the tests ended."""
    longshore = Longshore(program, work, CONFIG)
    tool = [str(Path(sys.executable).parent / "schemathesis")]
    tool += ["--config-file", str(SETTINGS / "schemathesis.toml")]
    url, key = longshore.env["LONGSHORE_URL"], longshore.env["LONGSHORE_API_KEY"]
    asked = ["run", str(DOCUMENT), "--url", url, "-H", f"Authorization: Bearer {key}", "--checks", "all"]
    asked += ["--max-time", str(seconds), "--workers", "1", "--request-timeout", "70"]
    asked += [] if seed is None else ["--seed", str(seed)]
    own = json.loads(longshore("keys", "list", "--json"))["items"][0]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "formats", "PYTHONPATH": str(SETTINGS)}
    environment["KNOWN_IDS"] = json.dumps(made(longshore, work))
    environment["OWN_IDS"] = f"{own['id']},{own['principal']['id']}"
    try:
        return subprocess.run([*tool, *asked], env=environment, cwd=work, check=False).returncode
    finally:
        longshore.server.stop()


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--longshore", type=Path, metavar="PATH", help="a built program")
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--seed", type=int, help="make the same requests again")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        return run(find_program(asked.longshore), asked.seconds, asked.seed, Path(work))


if __name__ == "__main__":
    sys.exit(main())
