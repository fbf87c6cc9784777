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
