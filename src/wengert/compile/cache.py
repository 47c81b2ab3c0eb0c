"""Code on disk, so that the next process starts warm. A file that is not what was written is no file.

A file is named by a hash of all that its content depends on (text, processor, versions), and holds a mark, the hash of
the code, and the code: no pickle. It is written beside its place and moved there, so two processes never see half of
one. Whatever goes wrong here (no room, no right to write, a file that someone else owns) costs time and nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from pathlib import Path

MARK = b"wengert code 1\n"
LIMIT = 256 << 20  # bytes; the oldest files go first


def folder() -> Path | None:
    """Where code is kept: `WENGERT_CACHE`, else the user's cache; None where that is the empty string."""
    place = os.environ.get("WENGERT_CACHE")
    if place is not None:
        return Path(place) if place else None
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "wengert"


def _path(key: str) -> Path | None:
    place = folder()
    return None if place is None else place / (hashlib.sha256(key.encode()).hexdigest() + ".o")


def load(key: str) -> bytes | None:
    """What was saved under that key."""
    try:
        path = _path(key)
        if path is None or not _ours(path.parent):
            return None
        content = path.read_bytes()
    except OSError:
        return None
    mark, digest, code = content[: len(MARK)], content[len(MARK) : len(MARK) + 32], content[len(MARK) + 32 :]
    return code if mark == MARK and digest == hashlib.sha256(code).digest() else None


def save(key: str, code: bytes) -> None:
    """Keep it, if that can be done."""
    try:
        path = _path(key)
        if path is None:
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _ours(path.parent):
            return
        _make_room(path.parent)
        handle, beside = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(MARK + hashlib.sha256(code).digest() + code)
            os.replace(beside, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(beside)
            raise
    except OSError:
        return


def _ours(place: Path) -> bool:
    """Whether nobody else can put code there."""
    if not hasattr(os, "getuid"):
        return True
    found = place.stat()
    return found.st_uid == os.getuid() and not found.st_mode & 0o022


def _make_room(place: Path) -> None:
    files = []
    for path in place.glob("*.o"):
        with contextlib.suppress(OSError):
            found = path.stat()
            files.append((found.st_mtime, found.st_size, path))
    total = sum([size for _, size, _ in files])
    for _, size, path in sorted(files):
        if total <= LIMIT:
            break
        with contextlib.suppress(OSError):
            path.unlink()
        total -= size
