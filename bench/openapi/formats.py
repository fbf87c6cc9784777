"""What schemathesis must know of Longshore to make good requests.

Texts whose rules no pattern can say, media types of its own, and parts of a request that go together.
"""

from __future__ import annotations

import base64
import json
import os
import re
import unicodedata
import uuid
import zlib
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.core import NotSet

LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CHARACTERS = st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"), exclude_characters="/")


def sealed(body: str) -> str:
    """Return a secret's text with its checksum, as `longshore_core::key` makes it."""
    value, sum_ = zlib.crc32(body.encode()), ""
    for _ in range(6):
        value, place = divmod(value, 62)
        sum_ = LETTERS[place] + sum_
    return body + sum_


def is_name(text: str) -> bool:
    """Tell whether the rules for names hold."""
    short = 0 < len(text.encode()) <= 255
    return short and text not in {".", ".."} and unicodedata.is_normalized("NFC", text)


def encoded(content: bytes) -> str:
    """Return bytes as text."""
    return base64.b64encode(content).decode()


NAMES = st.text(CHARACTERS, min_size=1, max_size=60).filter(is_name)
PATHS = st.lists(NAMES, max_size=4).map(lambda names: "/" + "/".join(names))
SECRETS = st.text(LETTERS, min_size=43, max_size=43)
TOKENS = SECRETS.map(lambda secret: sealed(f"lst_01k9x3m7q2e8rj5v4n6t0p1s2d{secret}"))
GRANTS = SECRETS.map(lambda secret: sealed(f"lsg_01k9x3m7q2e8rj5v4n6t0p1s2d{secret}"))
DIGESTS = st.binary(min_size=32, max_size=32).map(lambda digest: f"sha-256=:{encoded(digest)}:")

schemathesis.openapi.format("name", NAMES)
schemathesis.openapi.format("workspace-path", PATHS)
schemathesis.openapi.format("lock-token", TOKENS)
schemathesis.openapi.format(
    "web-url", st.from_regex("[a-z]{1,9}", fullmatch=True).map(lambda name: f"https://{name}.example/")
)
schemathesis.openapi.format("share-grant", GRANTS)
schemathesis.openapi.format("content-digest", DIGESTS)
schemathesis.openapi.format(
    "entity-tags", st.sampled_from(["*", '"ver_01k9x3m7q2e8rj5v4n6t0p1s2d"', '"a", W/"b"'])
)
schemathesis.openapi.format("idempotency-key", st.uuids(version=4).map(str))
schemathesis.openapi.format("upload-concat", st.just("partial"))
schemathesis.openapi.format(
    "upload-checksum",
    st.binary(min_size=32, max_size=32).map(lambda digest: f"sha256 {encoded(digest)}"),
)
schemathesis.openapi.format(
    "upload-metadata",
    NAMES.map(lambda name: f"filename {encoded(name.encode())},parent_id {encoded(b'root')}"),
)


@schemathesis.serializer(
    "application/offset+octet-stream", "application/vnd.longshore.batch", "application/x-tar"
)
def octets(_: schemathesis.SerializationContext, content: object) -> dict[str, Any]:
    """Send bytes as they are."""
    if isinstance(content, str):
        content = content.encode()
    return {"data": content if isinstance(content, bytes) else json.dumps(content).encode()}


@schemathesis.deserializer("application/x-ndjson")
def lines(_: schemathesis.DeserializationContext, answer: schemathesis.Response) -> Any:  # noqa: ANN401
    """Read the last line of an answer of one JSON text to a line: the document says what a line is."""
    return [json.loads(line) for line in answer.content.splitlines() if line.strip()][-1]


WORKSPACE = re.compile("ws_[0-7][0-9a-hjkmnp-tv-z]{25}")
ID = re.compile("([a-z]{2,4}_)[0-7][0-9a-hjkmnp-tv-z]{25}")
KNOWN: dict[str, list[str]] = json.loads(os.environ["KNOWN_IDS"])
WAITS = {str(seconds) for seconds in range(2, 56)}
SECRET = re.compile("ls[a-z]_[0-7][0-9a-hjkmnp-tv-z]{25}[0-9A-Za-z]{49}")
# By the name of the parameter: the id of what is not there.
PREFIXES = {
    "delivery": "dl",
    "hook": "hk",
    "id": "nd",
    "identity": "idn",
    "invitation": "inv",
    "job": "job",
    "key": "key",
    "lock": "lk",
    "note": "note",
    "parent": "nd",
    "principal": "usr",
    "session": "ses",
    "share": "shr",
    "upload": "upl",
    "ver": "ver",
    "ws": "ws",
}
NOTHING = {name: f"{prefix}_01k9x3m7q2e8rj5v4n6t0p1s2d" for name, prefix in PREFIXES.items()}


def readable(value: object) -> object:
    """Return a body in which secrets have their checksums, and the numbers 1.0 are 1.

    JSON Schema takes those for integers, a reader of integers does not.
    """
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, str) and SECRET.fullmatch(value):
        return sealed(value[:-6])
    if isinstance(value, dict):
        return {key: readable(part) for key, part in value.items()}
    return [readable(part) for part in value] if isinstance(value, list) else value


def met(value: object) -> object:
    """Return the id of something that is there for three of four that could be one, the same each time."""
    matched = ID.fullmatch(value) if isinstance(value, str) else None
    if not matched or not KNOWN.get(matched[1]):
        return value
    value = matched[0]
    chosen, ids = zlib.crc32(value.encode()), KNOWN[matched[1]]
    return ids[chosen // 4 % len(ids)] if chosen % 4 else value


def is_own(path: dict[str, Any]) -> bool:
    """Tell whether a request names the very key that it is sent with, or who acts with it."""
    return bool({str(part) for part in path.values()} & set(os.environ["OWN_IDS"].split(",")))


@schemathesis.hook
def map_case(_: schemathesis.HookContext, case: schemathesis.Case) -> schemathesis.Case:
    """Leave out what goes with other parts of a request alone: what is wrong by the document stays."""
    query, path, headers = case.query or {}, case.path_parameters or {}, case.headers or {}
    # Under a quota of nothing, nothing else could be tried.
    if case.path.endswith("/quota"):
        path["ws"] = KNOWN["ws_"][-1]
    for part in (query, path, case.body if isinstance(case.body, dict) else {}):
        part.update({name: met(value) for name, value in part.items()})
    # Which workspace's root is meant, where the node is `root`.
    node = path.get("id", path.get("parent", "root"))
    if node != "root" and WORKSPACE.fullmatch(str(query.get("workspace", ""))):
        del query["workspace"]
    # Only a list itself says where it goes on.
    if re.fullmatch("[A-Za-z0-9_-]+", str(query.get("cursor", ""))):
        del query["cursor"]
    # The same once more would be the first request, or refused.
    if re.fullmatch("[ -~]{1,255}", str(headers.get("Idempotency-Key", ""))):
        headers["Idempotency-Key"] = str(uuid.uuid4())
    # A length that is told is not deferred.
    if "Upload-Length" in headers:
        headers.pop("Upload-Defer-Length", None)
    # The checksum is right, whatever the rest is.
    if "Lock-Token" in headers:
        headers["Lock-Token"] = readable(headers["Lock-Token"])
    # Who revokes their own key learns nothing more.
    if case.method not in {"GET", "HEAD"} and is_own(path):
        path.update({name: NOTHING[name] for name in ("key", "principal") if name in path})
    # What an answer says is null, the tool takes for an id.
    path.update(
        {name: NOTHING[name] for name, value in path.items() if str(value) == "None" and name in NOTHING}
    )
    # A batch of nothing is answered with no line, and no document can say so.
    if case.path.endswith("/batch") and (isinstance(case.body, NotSet) or not case.body):
        case.body, case.media_type = b"{}", "application/vnd.longshore.batch"
    # What is not there stays so: setting it would make it a wrong body.
    if not isinstance(case.body, NotSet):
        case.body = readable(case.body)
    # What comes has another digest than one made up.
    if re.fullmatch("(sha-256|blake3)=:[A-Za-z0-9+/]{43}=:", str(headers.get("Content-Digest", ""))):
        del headers["Content-Digest"]
    # Waiting tells nothing, and takes the time of the others.
    for part, name in ((case.body, "wait_seconds"), (query, "wait")):
        if isinstance(part, dict) and str(part.get(name)) in WAITS:
            part[name] = 1
    # The answer has a body for who asks for one; OpenAPI cannot say "a body or none".
    if case.method == "POST" and case.path == "/v1/uploads":
        headers["Prefer"] = "return=representation"
    return case
