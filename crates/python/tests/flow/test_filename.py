"""Names that servers give: always one that is safe, whatever it was."""

from __future__ import annotations

import pytest
from longshore.aio.flow.filename import name_of_answer, name_of_disposition, name_of_url, numbered, safe_name

HOSTILE = {
    "../../x": "x",
    "..\\..\\x": "x",
    "/etc/passwd": "passwd",
    "C:\\windows\\x.dll": "x.dll",
    "a\0b": "ab",
    "": "download",
    ".": "download",
    "..": "download",
    "...": "download",
    "/": "download",
    "a/": "download",
    "CON": "_CON",
    "nul.txt": "_nul.txt",
    "com1.tar.gz": "_com1.tar.gz",
    "LPT¹": "_LPT¹",
    "CONSOLE": "CONSOLE",
    ".bashrc": "_bashrc",
    " .x": "_x",
    "x. . ": "x",
    'a<b>:"|?*c': "a_b______c",
    "a\nb\x1b[31m": "ab[31m",
    "txt.\u202eexe": "txt.exe",
    "a\u200bb": "ab",
    "\ud800x": "x",
    "zażółć.csv": "zażółć.csv",
}


@pytest.mark.parametrize(("name", "safe"), HOSTILE.items())
def test_a_name_is_made_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe
    assert safe_name(safe) == safe


@pytest.mark.parametrize(
    "name", ["x" * 1000 + ".txt", "ż" * 500 + ".txt", "x" * 300, "." * 300 + "x" * 300, "x." + "y" * 300]
)
def test_a_long_name_is_cut_before_its_extension(name: str) -> None:
    safe = safe_name(name)
    assert len(safe.encode()) <= 240
    assert len(numbered(safe, 12345).encode()) <= 240
    if name.endswith(".txt"):
        assert safe.endswith(".txt")
        assert numbered(safe, 2).endswith(" (2).txt")


def test_numbers_go_before_the_extension() -> None:
    assert numbered("name.txt", 2) == "name (2).txt"
    assert numbered("name", 3) == "name (3)"


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ('attachment; filename="a b.txt"', "a b.txt"),
        ("attachment; filename=plain.txt", "plain.txt"),
        ("attachment;FileName=plain.txt ; size=3", "plain.txt"),
        ("attachment; filename=\"a.txt\"; filename*=UTF-8''z%C3%A4.txt", "zä.txt"),
        ("attachment; filename*=iso-8859-1'en'%E4.txt", "ä.txt"),
        ("attachment; filename*=UTF-8''%FF; filename=b.txt", "b.txt"),
        ("attachment; filename*=klingon''x; filename=b.txt", "b.txt"),
        (r'attachment; filename="say \"hi\".txt"', 'say "hi".txt'),
        (r'attachment; filename="C:\temp\x.txt"', r"C:\temp\x.txt"),
        ('attachment; filename="zä.txt"'.encode().decode("latin-1"), "zä.txt"),
        ("inline", None),
        ("attachment; filename", None),
        ('attachment; other="filename=x"', None),
        ("", None),
    ],
)
def test_content_disposition(field: str, name: str | None) -> None:
    assert name_of_disposition(field) == name


def test_a_url_gives_its_last_segment() -> None:
    assert name_of_url("https://example.org/a/b.txt?c=/d#e/f") == "b.txt"
    assert name_of_url("https://example.org/a/..%2f..%2fetc%2fpasswd") == "passwd"
    assert name_of_url("https://example.org/") == "download"
    assert name_of_url("https://example.org/%00") == "download"
    assert name_of_url("https://example.org/%E4") == "ä"


def test_a_disposition_without_a_name_leaves_it_to_the_url() -> None:
    assert name_of_answer('attachment; filename=".."', "https://example.org/x.txt") == "x.txt"
    assert name_of_answer("inline", "https://example.org/x.txt") == "x.txt"
    assert name_of_answer('attachment; filename="y.txt"', "https://example.org/x.txt") == "y.txt"
