"""Durable copies of a folder: `copy SOURCE TARGET` or `each SOURCE TARGET`.

`copy` is `cp -r` and then fsync of every file and folder, so that the kernel has had the chance to write many
files at once. `each` writes and flushes one file after the other.
"""

import os
import subprocess
import sys

CHUNK = 1024 * 1024


def flush(path: str) -> None:
    """Fsync a file or a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write(source: str, target: str) -> None:
    """Write a copy and flush its bytes."""
    read = os.open(source, os.O_RDONLY)
    out = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        while chunk := os.read(read, CHUNK):
            os.write(out, chunk)
        os.fdatasync(out)
    finally:
        os.close(read)
        os.close(out)


def main(verb: str, source: str, target: str) -> None:
    """Copy the folder."""
    if verb == "copy":
        subprocess.run(["cp", "-r", f"{source}/.", target], check=True)
    for folder, _, files in os.walk(source):
        below = os.path.relpath(folder, source)
        if verb == "each":
            os.makedirs(os.path.join(target, below), exist_ok=True)
        for name in files:
            if verb == "each":
                write(os.path.join(folder, name), os.path.join(target, below, name))
            else:
                flush(os.path.join(target, below, name))
    for folder, _, _ in os.walk(target):
        flush(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
