"""An SFTP server without any extension: `server.py PORT FOLDER HOST_KEY`, user `u`, password `p`."""

import asyncio
import sys

import asyncssh
from asyncssh.sftp import SFTPServerHandler

port, folder, host_key = sys.argv[1:]
SFTPServerHandler._extensions = []


class Server(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("u", "p")


async def main() -> None:
    files = lambda channel: asyncssh.SFTPServer(channel, chroot=folder.encode())
    await asyncssh.create_server(
        Server, "127.0.0.1", int(port), server_host_keys=[host_key], sftp_factory=files
    )
    await asyncio.Event().wait()


asyncio.run(main())
