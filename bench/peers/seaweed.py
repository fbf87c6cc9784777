"""An S3 server for those that speak S3: SeaweedFS on loopback."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from measure import Server, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACCESS, SECRET = "benchkey1", "bench-secret-1"
BUCKET = "bench"


def start(log: Path, data: Path, weed: Path) -> Server:
    """Start it on an empty folder; its `url` is the endpoint."""
    log.mkdir(parents=True, exist_ok=True)
    settings = log / "s3.json"
    identity = {
        "name": "bench",
        "credentials": [{"accessKey": ACCESS, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    settings.write_text(json.dumps({"identities": [identity]}))
    ports = {name: free_port() for name in ("master.port", "volume.port", "filer.port", "s3.port")}
    ports |= {f"{name}.grpc": free_port() for name in ("master.port", "volume.port", "filer.port", "s3.port")}
    argv = [str(weed), "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={data}", "-volume.max=100"]
    argv += ["-master.volumeSizeLimitMB=256", "-filer", "-s3", f"-s3.config={settings}"]
    # Nobody asks these here, and their usual ports may be another's.
    argv += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    argv += [f"-{name}={port}" for name, port in ports.items()]
    server = Server.start(argv, log, data)
    server.wait_until(lambda: server.listening(ports["s3.port"]), 60)
    server.url = f"http://127.0.0.1:{ports['s3.port']}"
    return server


@contextlib.contextmanager
def seaweed(work_dir: Path, weed: Path) -> Iterator[dict[str, Any]]:
    """Run it, and say what its clients need to know."""
    data = work_dir / "seaweed"
    data.mkdir()
    server = start(work_dir / "seaweed-log", data, weed)
    try:
        yield {"root": BUCKET, "endpoint": server.url, "user": ACCESS, "secret": SECRET}
    finally:
        server.process.kill()
        server.process.wait()
