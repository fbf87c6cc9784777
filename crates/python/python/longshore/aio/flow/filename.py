"""What a file that a server sends is called here.

The name is the server's word, so it is one name and nothing else: no path, no hidden file, nothing that a
terminal or another system would take for more than a name. The rules are those of `longshore fetch`.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote_to_bytes, urlsplit

LONGEST = 240
"""The longest name in bytes. File systems take 255; the rest is for ` (2)` and for the marks around a part's
name.
"""
LONGEST_EXTENSION = 20
NAMELESS = "download"
DEVICE = re.compile(
    r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³]) *(\..*)?", re.IGNORECASE | re.DOTALL
)
# Control characters, marks that turn the writing around, surrogates, and what is no character.
UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def name_of_answer(disposition: str | None, url: str) -> str:
    """Return the name that an answer's `Content-Disposition`, or else its URL, gives; always one that is
    safe.
    """
    named = None if disposition is None else name_of_disposition(disposition)
    name = NAMELESS if named is None else safe_name(named)
    return name if name != NAMELESS else name_of_url(url)


def name_of_url(url: str) -> str:
    """Return the name that a URL gives: the last segment of its path, made safe."""
    return safe_name(_text(unquote_to_bytes(urlsplit(url).path.rpartition("/")[2])))


def name_of_disposition(field: str) -> str | None:
    """Read `Content-Disposition` (RFC 6266): `filename*` (RFC 8187) goes before `filename`. Not safe yet."""
    plain: str | None = None
    pattern = r";\s*([^=;\s]+)\s*(?:=\s*(?:\"((?:\\[\"\\]|[^\"])*)\"?|([^;]*)))?"
    for match in re.finditer(pattern, field):
        name, quoted, token = match[1].lower(), match[2], match[3]
        if quoted is None and token is None:
            continue
        value = re.sub(r"\\([\"\\])", r"\1", quoted) if quoted is not None else (token or "").strip()
        if name == "filename*":
            charset, _, encoded = value.partition("'")
            if charset.lower() in ("utf-8", "iso-8859-1"):
                try:
                    return unquote_to_bytes(encoded.partition("'")[2]).decode(charset)
                except UnicodeDecodeError:
                    continue
        elif name == "filename" and plain is None:
            plain = _text(value.encode("latin-1", "replace"))
    return plain


def safe_name(name: str) -> str:
    """Return what of a name can be one here, and on other systems that share the folder."""
    last = re.split(r"[/\\]", name)[-1]
    kept = "".join(char for char in last if unicodedata.category(char) not in UNSEEN)
    kept = re.sub(r'[<>:"|?*]', "_", kept).strip()
    shown = kept.lstrip(". ")
    name = (f"_{shown}" if len(shown) < len(kept) else shown).rstrip(". ")
    if name in ("", "_"):
        return NAMELESS
    if DEVICE.fullmatch(name):
        name = f"_{name}"
    return _fit(name, "")


def numbered(name: str, number: int) -> str:
    """Return the `number`-th name that is like this one: `name (2).ext`."""
    return _fit(name, f" ({number})")


def _fit(name: str, mark: str) -> str:
    """Put a mark before the extension, and cut what is before it to 240 bytes in all, where a character
    ends.
    """
    dot = name.rfind(".")
    if dot <= 0 or len(name[dot:].encode()) > LONGEST_EXTENSION:
        dot = len(name)
    stem, extension = name[:dot], name[dot:]
    room = LONGEST - len(f"{mark}{extension}".encode())
    if len(stem.encode()) > room:
        stem = stem.encode()[:room].decode(errors="ignore").rstrip(". ")
    return f"{stem}{mark}{extension}"


def _text(data: bytes) -> str:
    """Read bytes as UTF-8, or where they are none as Latin-1, which old servers send."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
