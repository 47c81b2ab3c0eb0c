"""Files from the network, kept in a cache folder and checked by their SHA-256."""

from __future__ import annotations

import hashlib
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from .tensors import written


def cache_folder() -> Path:
    """Where data sets are kept: `$WENGERT_CACHE`, or else `wengert` in the platform's folder for caches.

    That is `$XDG_CACHE_HOME` or `~/.cache`; `~/Library/Caches` on macOS; `%LOCALAPPDATA%` on Windows.
    """
    if chosen := os.environ.get("WENGERT_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "wengert"


def fetch(name: str, urls: Sequence[str], sha256: str, folder: str | os.PathLike[str] | None = None) -> Path:
    """The path of a file: from the cache, or else downloaded from the first of the `urls` that has it.

    Args:
        name: of the file in the folder, with folders of its own if wanted.
        sha256: of the file, in hexadecimal digits. A download is checked before the file appears, so that the folder
            never has a part of one; a file that is there already is checked, too.
        folder: instead of `cache_folder()`.

    Raises:
        ValueError: the file in the folder, or a download, has another checksum.
        ConnectionError: no address could be read; says where to put the file by hand.
    """
    path = (cache_folder() if folder is None else Path(folder)) / name
    if path.exists():
        found = digest(path)
        if found != sha256:
            raise ValueError(
                f"{path} is damaged: its SHA-256 is {found}, expected {sha256}; delete it, so that it is fetched again"
            )
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    problems = []
    for url in urls:
        try:
            _download(url, path, sha256)
        except (urllib.error.URLError, OSError) as error:
            problems.append(f"{url}: {getattr(error, 'reason', None) or error}")
        else:
            return path
    raise ConnectionError(
        f"{name} is not in {path.parent} and cannot be downloaded ({'; '.join(problems)}). Without a network, put the "
        f"file there from another machine, or set WENGERT_CACHE to a folder that has it"
    )


def _download(url: str, path: Path, sha256: str) -> None:
    hasher = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=30) as source, written(path) as target:
        while chunk := source.read(1 << 20):
            hasher.update(chunk)
            target.write(chunk)
        if hasher.hexdigest() != sha256:
            raise ValueError(
                f"{url}: the download has the SHA-256 {hasher.hexdigest()}, expected {sha256}; it was not kept"
            )


def digest(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
