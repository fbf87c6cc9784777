"""Uploads a file with tuspy: in chunks, with checksums, and stopped and resumed.

Arguments: the server's URL, a key, a workspace's id, the file. Each way makes a file of its name.
"""

import sys

from tusclient.client import TusClient

MIB = 1024 * 1024


def main() -> None:
    url, key, workspace, file = sys.argv[1:]
    client = TusClient(f"{url}/v1/uploads", headers={"Authorization": f"Bearer {key}"})

    def uploader(filename, **options):
        metadata = {"filename": filename, "workspace": workspace}
        return client.uploader(file, chunk_size=MIB, metadata=metadata, **options)

    uploader("py-chunked").upload()
    uploader("py-checked", upload_checksum=True).upload()
    first = uploader("py-resumed")
    first.upload(stop_at=3 * MIB)
    again = uploader("py-resumed", url=first.url)
    assert again.offset == 3 * MIB, again.offset
    again.upload()


main()
