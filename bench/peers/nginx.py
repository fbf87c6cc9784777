"""nginx with DAV PUT, and curl with 20 transfers at once: what plain files over HTTP cost in C."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from measure import Server, free_port
from peers.curl import CurlPeer

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """\
{user}
daemon off;
worker_processes 2;
pid {dir}/nginx.pid;
error_log {dir}/error.log warn;
events {{ worker_connections 512; }}
http {{
    access_log off;
    default_type application/octet-stream;
    sendfile on;
    tcp_nodelay on;
    keepalive_requests 1000000;
    client_max_body_size 0;
    client_body_temp_path {data}/.temp;
{temp_paths}
    server {{
        listen 127.0.0.1:{port}{http2};
        location / {{
            root {data};
            dav_methods PUT;
            create_full_put_path on;
        }}
    }}
}}
"""


class NginxPeer(CurlPeer):
    """PUT writes a temporary file on the same file system and renames it; nothing is flushed."""

    name = "nginx"
    what = "nginx DAV PUT, 2 workers, sendfile; curl --parallel-max 20"
    durable = "no"
    http2 = ""
    """What nginx's `listen` has at its end."""

    def missing(self) -> str | None:
        """Find the programs; nginx is where ordinary users' PATH does not look."""
        path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
        nginx = shutil.which("nginx", path=path)
        if not nginx:
            return "nginx is not there; on Debian: apt-get install nginx-light"
        self.nginx = nginx
        self.built = subprocess.run([nginx, "-V"], capture_output=True, text=True, check=False).stderr
        if "http_dav_module" not in self.built:
            return "this nginx has no DAV module; on Debian: apt-get install nginx-light"
        return super().missing()

    def start(self, data: Path) -> Server:
        """Start nginx with a configuration of its own and everything it writes below the work folder."""
        self.dir.mkdir(parents=True, exist_ok=True)
        port = free_port()
        config = self.dir / "nginx.conf"
        # Modules that are compiled in make their temporary folders at the start, used or not.
        temp_paths = "\n".join(
            f"    {module}_temp_path {self.dir}/{module};"
            for module in ("proxy", "fastcgi", "uwsgi", "scgi")
            if f"--without-http_{module}_module" not in self.built
        )
        user = "user root;" if os.geteuid() == 0 else ""
        settings = {"user": user, "dir": self.dir, "data": data, "port": port, "temp_paths": temp_paths}
        config.write_text(CONFIG.format(**settings, http2=self.http2))
        argv = [self.nginx, "-p", str(self.dir), "-e", str(self.dir / "error.log"), "-c", str(config)]
        server = Server.start(argv, self.dir, data)
        server.wait_until(lambda: server.listening(port))
        server.url = f"http://127.0.0.1:{port}"
        return server


class NginxHttp2Peer(NginxPeer):
    """The same over HTTP/2 without TLS: all transfers in the streams of one connection."""

    name = "nginx-h2"
    what = "the same over HTTP/2, all transfers on one connection"
    http2 = " http2"
    options = ("--http2-prior-knowledge",)
