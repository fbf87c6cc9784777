#!/usr/bin/env python3
"""Have libraries of others verify what Longshore's webhooks deliver.

Starts `longshore serve`, adds a hook to a receiver of its own, makes something happen, and hands each
delivery as it came to PyPI `standardwebhooks`, PyPI `svix` and npm `standardwebhooks`: all must take it, and
refuse it once its body, its id, its timestamp or the secret is another one. Then the secret is rotated: the
next delivery must pass with the old secret and with the new one.

Run it with a Python that has bench/requirements-webhooks.txt, or by `cargo xtask webhooks`.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import queue
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import standardwebhooks
import svix.webhooks

from measure import BenchError
from peers.longshore import Longshore, find_program

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 60
CONFIG = '[egress]\nallow_http = true\nports = "1-65535"\nnetworks = "127.0.0.0/8"\n'


@dataclass(frozen=True)
class Delivery:
    """A delivery as it came: its three headers and its body."""

    headers: dict[str, str]
    body: str

    def forgeries(self) -> list[Delivery]:
        """Return what it must not be taken for."""
        later = str(int(self.headers["webhook-timestamp"]) + 1)
        return [
            replace(self, body=self.body.replace('"type"', '"tipe"', 1)),
            replace(self, body=self.body + " "),
            replace(self, headers={**self.headers, "webhook-id": "evt_other"}),
            replace(self, headers={**self.headers, "webhook-timestamp": later}),
        ]


class Receiver(ThreadingHTTPServer):
    """Takes what comes, and remembers it."""

    def __init__(self) -> None:
        """Listen on a free port."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.came: queue.Queue[Delivery] = queue.Queue()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def next(self) -> Delivery:
        """Wait for the next delivery."""
        try:
            return self.came.get(timeout=SECONDS)
        except queue.Empty:
            msg = f"no delivery came within {SECONDS} s"
            raise BenchError(msg) from None


class Handler(BaseHTTPRequestHandler):
    """Answers 204 to every delivery."""

    server: Receiver

    def do_POST(self) -> None:
        """Keep a delivery."""
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        headers = {
            name: self.headers[name] for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
        }
        self.server.came.put(Delivery(headers, body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: ANN401
        """Say nothing."""


def by_standardwebhooks(secret: str, delivery: Delivery) -> bool:
    """Ask the standard's own Python library."""
    try:
        standardwebhooks.Webhook(secret).verify(delivery.body, delivery.headers)
    except standardwebhooks.WebhookVerificationError:
        return False
    return True


def by_svix(secret: str, delivery: Delivery) -> bool:
    """Ask the Python library of a service that sends such webhooks."""
    try:
        svix.webhooks.Webhook(secret).verify(delivery.body, delivery.headers)
    except svix.webhooks.WebhookVerificationError:
        return False
    return True


NODE = """
const { Webhook, WebhookVerificationError } = require("standardwebhooks");
const { secret, headers, body } = JSON.parse(require("fs").readFileSync(0, "utf8"));
try { new Webhook(secret).verify(body, headers); console.log("verified"); }
catch (error) { if (!(error instanceof WebhookVerificationError)) throw error; console.log("refused"); }
"""


def by_node(modules: Path) -> Callable[[str, Delivery], bool]:
    """Ask the standard's own JavaScript library."""

    def ask(secret: str, delivery: Delivery) -> bool:
        asked = json.dumps({"secret": secret, "headers": delivery.headers, "body": delivery.body})
        done = subprocess.run(
            ["node", "-e", NODE],
            input=asked,
            text=True,
            capture_output=True,
            check=True,
            cwd=modules,
            timeout=SECONDS,
        )
        return {"verified": True, "refused": False}[done.stdout.strip()]

    return ask


def judge(name: str, ask: Callable[[str, Delivery], bool], secrets: list[str], delivery: Delivery) -> None:
    """Have a library look at a delivery and at forgeries of it."""
    other = "whsec_" + "A" * 44
    for secret in secrets:
        if not ask(secret, delivery):
            msg = f"{name} refuses a delivery of Longshore's: {delivery.headers}"
            raise BenchError(msg)
        if any(ask(secret, forged) for forged in delivery.forgeries()):
            msg = f"{name} takes a forged delivery"
            raise BenchError(msg)
    if ask(other, delivery):
        msg = f"{name} takes a delivery with a secret that is not its own"
        raise BenchError(msg)


def run(program: Path, modules: Path | None, work: Path) -> None:
    """Deliver, verify, rotate, verify."""
    libraries: dict[str, Callable[[str, Delivery], bool]] = {
        f"PyPI standardwebhooks {importlib.metadata.version('standardwebhooks')}": by_standardwebhooks,
        f"PyPI svix {importlib.metadata.version('svix')}": by_svix,
    }
    if modules:
        package = json.loads((modules / "standardwebhooks" / "package.json").read_text())
        libraries[f"npm standardwebhooks {package['version']}"] = by_node(modules.parent)
    receiver = Receiver()
    longshore = Longshore(program, work, CONFIG)
    try:
        made = json.loads(
            longshore("hooks", "add", f"http://127.0.0.1:{receiver.server_port}/hook", "--json")
        )
        longshore("mkdir", "/übung")
        first = receiver.next()
        rotated = json.loads(longshore("hooks", "rotate", made["hook"]["id"], "--json"))
        second = receiver.next()
        for name, ask in libraries.items():
            judge(name, ask, [made["secret"]], first)
            judge(name, ask, [made["secret"], rotated["secret"]], second)
            print(f"{name}: verified a delivery and one under two secrets, refused every forgery")
    finally:
        longshore.server.stop()
        receiver.shutdown()


def main() -> int:
    """Run the program."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--longshore", type=Path, help="the program; else a fresh release build")
    parser.add_argument("--node-modules", type=Path, help="where npm's standardwebhooks is; else left out")
    args = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="longshore-webhooks.") as work:
            run(find_program(args.longshore), args.node_modules, Path(work))
    except BenchError as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
