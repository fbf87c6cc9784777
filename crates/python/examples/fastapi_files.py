"""Upload and download files over HTTP on a store, in constant memory both ways.

    STORE_URL=file:///srv/files python fastapi_files.py [PORT]
    curl -T big.bin localhost:8000/files/2024/big.bin
    curl -F file=@big.bin localhost:8000/files/2024/
    curl -O localhost:8000/files/2024/big.bin

It needs fastapi, python-multipart and uvicorn. STORE_URL is any that docs/stores.md has.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request, UploadFile
from fastapi.responses import JSONResponse, StreamingResponse
from longshore import WriteResult
from longshore.aio import AsyncStore
from longshore.exceptions import InvalidPath, NotFound, StoreError


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Hold the store open while the app runs."""
    async with AsyncStore.open(os.environ["STORE_URL"]) as store:
        app.state.store = store
        yield


app = FastAPI(lifespan=lifespan)


@app.put("/files/{path:path}", status_code=201)
async def upload(path: str, request: Request) -> dict[str, str | int]:
    """Write the request's body, piece by piece as it comes; a broken request leaves what stood there."""
    return told(await request.app.state.store.write(path, request.stream(), overwrite=True))


@app.post("/files/{folder:path}", status_code=201)
async def upload_form(folder: str, file: UploadFile, request: Request) -> dict[str, str | int]:
    """Write a form's file, as browsers send it."""
    path = f"{folder}/{file.filename}"
    return told(await request.app.state.store.write(path, file, overwrite=True))


@app.get("/files/{path:path}")
async def download(path: str, request: Request) -> StreamingResponse:
    """Send a file, piece by piece as it is taken."""
    store: AsyncStore = request.app.state.store
    length = str((await store.get_file_info(path)).size)

    async def pieces() -> AsyncIterator[bytes]:
        async with store.read(path) as content:
            async for piece in content:
                yield piece

    return StreamingResponse(
        pieces(), media_type="application/octet-stream", headers={"Content-Length": length}
    )


@app.exception_handler(StoreError)
async def refuse(_: Request, error: StoreError) -> JSONResponse:
    """Answer with what went wrong, and no more of it than callers may see."""
    status = 404 if isinstance(error, NotFound) else 400 if isinstance(error, InvalidPath) else 500
    return JSONResponse({"detail": error.message if status < 500 else "the store failed"}, status)


def told(written: WriteResult) -> dict[str, str | int]:
    """Return what an uploader is told."""
    return {"path": written.path, "size": written.size}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]) if len(sys.argv) > 1 else 8000)
