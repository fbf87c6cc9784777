"""A server of files as the guides write it; it runs in the bench's virtual environment."""

import os
from pathlib import Path

import aiofiles
from fastapi import FastAPI, UploadFile
from fastapi.responses import FileResponse

ROOT = Path(os.environ["BENCH_DIR"])
app = FastAPI()


@app.post("/files/{path:path}", status_code=201)
async def upload(path: str, file: UploadFile) -> dict[str, int]:
    """Keep a form's file."""
    target = ROOT / path
    target.parent.mkdir(parents=True, exist_ok=True)
    content = await file.read()
    async with aiofiles.open(target, "wb") as out:
        await out.write(content)
    return {"size": len(content)}


@app.get("/files/{path:path}")
async def download(path: str) -> FileResponse:
    """Send a file."""
    return FileResponse(ROOT / path)
