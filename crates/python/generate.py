#!/usr/bin/env python3
"""Write `longshore/models.py` from docs/openapi.json, and the blocking face from the asynchronous one.

    python crates/python/generate.py          # write them
    python crates/python/generate.py --check  # fail if what stands there is another

So a field or a verb is written once, in Rust or in the asynchronous client.
"""

from __future__ import annotations

import json
import keyword
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PACKAGE = HERE / "python" / "longshore"
DOCUMENT = HERE.parents[1] / "docs" / "openapi.json"

# What callers get; requests are built from keyword arguments, and pages are streams.
WANTED = (
    *(
        "Comparison",
        "Delivery",
        "DeliveryAttempt",
        "Event",
        "EventPage",
        "Hook",
        "Job",
        "Key",
        "Link",
        "LockGrant",
    ),
    *(
        "LockGrants",
        "LockRenewal",
        "Me",
        "Member",
        "NewHook",
        "NewKey",
        "Node",
        "NodeLock",
        "Note",
        "OpenUpload",
        "Purged",
    ),
    *("Invitation", "LookedAt", "NewInvitation", "NewReset", "NewTransfer", "Transfer", "TransferManifest"),
    *("Principal", "Status", "Undone", "Version", "Workspace"),
)

Schema = dict[str, Any]


def plain(text: str) -> str:
    """Return a description as Python people write it: one line, without Rust's links."""
    text = " ".join(text.split())
    return re.sub(r"\[`([^`]*)`\]", r"`\1`", text).replace("\\", "\\\\")


class Models:
    """The schemas of the document as dataclasses."""

    def __init__(self, schemas: dict[str, Schema]) -> None:
        """Take the document's schemas."""
        self.schemas = schemas
        self.written: dict[str, str] = {}

    def fields(self, name: str) -> dict[str, tuple[Schema, bool]]:
        """Return a schema's properties, each with whether it is always there."""
        return self._fields(self.schemas[name])

    def _fields(self, schema: Schema) -> dict[str, tuple[Schema, bool]]:
        found: dict[str, tuple[Schema, bool]] = {}
        if reference := schema.get("$ref"):
            return self.fields(reference.rsplit("/", 1)[1])
        for part in schema.get("allOf", ()):
            found.update(self._fields(part))
        required = set(schema.get("required", ()))
        for name, value in schema.get("properties", {}).items():
            found[name] = (value, name in required)
        return found

    def kind(self, schema: Schema) -> tuple[str, str, bool]:
        """Return a schema's type, what reads a value of it (`{}`), and whether it may be nothing."""
        if one_of := schema.get("oneOf"):
            kinds = [part for part in one_of if part.get("type") != "null"]
            inner, read, _ = self.kind(kinds[0])
            return inner, read, len(kinds) < len(one_of)
        if reference := schema.get("$ref"):
            return (*self.named(reference.rsplit("/", 1)[1]), False)
        kind: Any = schema.get("type")
        may_be_nothing = isinstance(kind, list) and "null" in kind
        if isinstance(kind, list):
            kind = next(part for part in kind if part != "null")
        if values := schema.get("enum"):
            return f"Literal[{', '.join(json.dumps(v) for v in values)}]", "{}", may_be_nothing
        match kind:
            case "array":
                inner, read, _ = self.kind(schema["items"])
                each = read.format("item")
                read = "tuple({})" if each == "item" else f"tuple({each} for item in {{}})"
                return f"tuple[{inner}, ...]", read, may_be_nothing
            case "integer":
                return "int", "{}", may_be_nothing
            case "number":
                return "float", "{}", may_be_nothing
            case "boolean":
                return "bool", "{}", may_be_nothing
            case "string":
                return "str", "{}", may_be_nothing
            case _:
                return "dict[str, Any]", "{}", may_be_nothing

    def named(self, name: str) -> tuple[str, str]:
        """Return the type of a schema that has a name, and what reads it."""
        schema = self.schemas[name]
        if name == "Timestamp":
            return "datetime", "_time({})"
        if name == "BTreeMap":
            return "dict[str, str]", "{}"
        if name == "BTreeSet":
            return "frozenset[str]", "frozenset({})"
        if schema.get("type") == "string" and "enum" in schema:
            return f"Literal[{', '.join(json.dumps(v) for v in schema['enum'])}]", "{}"
        if self.fields(name):
            self.write(name)
            return name, f"{name}._read({{}})"
        kind, read, _ = self.kind(schema)
        return kind, read

    def write(self, name: str) -> None:
        """Write a schema's class, after those that it needs."""
        if name in self.written:
            return
        self.written[name] = ""
        lines = ["@dataclass(frozen=True, slots=True, kw_only=True)", f"class {name}:"]
        lines += docstring(self.schemas[name].get("description", name))
        reads, texts, defaults = [], [], []
        for field, (schema, is_required) in self.fields(name).items():
            kind, read, may_be_nothing = self.kind(schema)
            python = f"{field}_" if keyword.iskeyword(field) else field
            source = f'said["{field}"]'
            optional = f'said.get("{field}")'
            described = schema.get("description") or next(
                (part["description"] for part in schema.get("oneOf", ()) if "description" in part), ""
            )
            text = [textwrap.indent(line, "    ") for line in commented(described)]
            if is_required and not may_be_nothing:
                texts += [*text, f"    {python}: {kind}"]
                reads.append(f"{python}={read.format(source)}")
            elif kind.startswith(("tuple", "dict", "frozenset")) and not may_be_nothing:
                empty = {"t": "()", "d": "{}", "f": "()"}[kind[0]]
                defaults += [*text, f"    {python}: {kind} = field(default_factory={kind.split('[')[0]})"]
                reads.append(f'{python}={read.format(f"""said.get("{field}", {empty})""")}')
            elif kind in ("int", "bool") and not may_be_nothing:
                none = "0" if kind == "int" else "False"
                defaults += [*text, f"    {python}: {kind} = {none}"]
                reads.append(f'{python}=said.get("{field}", {none})')
            else:
                defaults += [*text, f"    {python}: {kind} | None = None"]
                whole = optional if read == "{}" else f"None if {optional} is None else {read.format(source)}"
                reads.append(f"{python}={whole}")
        lines += [*texts, *defaults, "", "    @classmethod"]
        lines += [f"    def _read(cls, said: dict[str, Any]) -> {name}:", "        return cls("]
        lines += [f"            {read}," for read in reads]
        lines += ["        )", "", ""]
        del self.written[name]
        self.written[name] = "\n".join(lines)


def docstring(text: str) -> list[str]:
    """Return a class's docstring."""
    wrapped = textwrap.wrap(plain(text), 96)
    if len(wrapped) == 1:
        return [f'    """{wrapped[0]}"""', ""]
    return [f'    """{wrapped[0]}', *[f"    {line}" for line in wrapped[1:]], '    """', ""]


def commented(text: str) -> list[str]:
    """Return what a field is, before it."""
    return [f"#: {line}" for line in textwrap.wrap(plain(text), 94)]


MODELS = '''"""What the verbs give. Written by generate.py from the server's document: do not edit."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

__all__ = [
{names}]


def _time(said: str) -> datetime:
    # Python 3.10 does not know `Z`.
    return datetime.fromisoformat(said.replace("Z", "+00:00"))


{classes}'''


def models() -> str:
    """Return the text of models.py."""
    made = Models(json.loads(DOCUMENT.read_text())["components"]["schemas"])
    for name in WANTED:
        made.write(name)
    names = "".join(f'    "{name}",\n' for name in sorted(made.written))
    return MODELS.format(names=names, classes="\n".join(made.written.values()).rstrip() + "\n")


# What the blocking face has where the asynchronous one has another word; whole words alone.
BLOCKING = (
    (r"async def ", "def "),
    (r"async with ", "with "),
    (r"async for ", "for "),
    (r"\bawait ", ""),
    (r"\bAsyncBackend\b", "BlockingBackend"),
    (r"\bin the loop that asks\b", "in the thread that asks"),
    (r"\bAsync(?=[A-Z])", ""),
    (r"__aenter__", "__enter__"),
    (r"__aexit__", "__exit__"),
    (r"__aiter__", "__iter__"),
    (r"__anext__", "__next__"),
    (r"StopAsyncIteration", "StopIteration"),
    (r"\baclose\b", "close"),
    (r"collections\.abc import AsyncIterator", "collections.abc import Iterator"),
    (r"longshore\.aio\._", "longshore._"),
    (r"longshore\.aio\b", "longshore"),
    (r", in an event loop\b", ""),
    (r" in an event loop\b", ""),
    (r", also an asynchronous one\b", ""),
)


def blocking(text: str) -> str:
    """Return the blocking twin of a module."""
    for pattern, other in BLOCKING:
        text = re.sub(pattern, other, text)
    head, rest = text.split('"""', 2)[1:]
    return f'"""{head.rstrip()} Written by generate.py from its twin in aio: do not edit."""{rest}'


def main() -> int:
    """Write or check."""
    files = {PACKAGE / "models.py": models()}
    for source in sorted((PACKAGE / "aio").glob("_[a-z]*.py")):
        if source.name not in ("_run.py", "_hold.py"):
            files[PACKAGE / source.name] = blocking(source.read_text())
    files[PACKAGE / "backend.py"] = blocking((PACKAGE / "aio" / "backend.py").read_text())
    for source in sorted((PACKAGE / "aio" / "ext").glob("[a-z]*.py")):
        files[PACKAGE / "ext" / source.name] = blocking(source.read_text())
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv:
        for path in stale:
            print(f"{path.relative_to(HERE)} is not what generate.py writes", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.write_text(files[path])
    return 0


if __name__ == "__main__":
    sys.exit(main())
