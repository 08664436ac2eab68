"""From the path that a manifest's row gives to an image of the dataset, never to one outside it. Pure."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Final

N_SAMPLE: Final = 2000  # rows that a way to look for paths is judged by
N_FOLDERS: Final = 64  # that are tried for paths which do not say in which folder they lie
N_STRIPPED: Final = 3  # leading folders that are tried without: manifests are often relative to a project's folder
_ABSOLUTE: Final = re.compile(r"[/\\~]|[A-Za-z]:|[A-Za-z][A-Za-z0-9+.-]*://")

Find = Callable[[str], "str | None"]


def inside(cell: str, base: str) -> str | None:
    """The path below the dataset's folder that a cell names; None: it is absolute, or leaves the folder.

    Args: base: the folder, below the dataset's, that the manifest lies in; "" for the dataset's own.
    """
    if "\0" in cell or _ABSOLUTE.match(cell):
        return None
    path = posixpath.normpath(posixpath.join(base, cell))
    return None if path == ".." or path.startswith("../") else path


@dataclass(frozen=True)
class Images:
    """The dataset's images, found by what manifests call them."""

    paths: Collection[str]

    def exact(self, path: str) -> str | None:
        """As it is written; else without white space around it, with "/" for "\\", in another Unicode form."""
        if path in self.paths:
            return path
        tidy = posixpath.normpath(path.replace("\\", "/").strip())
        return tidy if tidy in self.paths else self._composed.get(unicodedata.normalize("NFC", tidy))

    def way(self, cells: Sequence[str]) -> tuple[Find, str]:
        """How the paths of a manifest are found, and that in words; "" where they lie as written.

        The paths as written, if any image is found so; else the way that finds most, the plainest of equals.
        """
        sample = [cell for cell in cells if cell][:N_SAMPLE]
        best: tuple[int, Find, str] = (sum(self.exact(cell) is not None for cell in sample), self.exact, "")
        if best[0]:
            return best[1], best[2]
        for find, words in self._other_ways():
            count = sum(find(cell) is not None for cell in sample)
            if count > best[0]:
                best = (count, find, words)
        return best[1], best[2]

    def _other_ways(self) -> list[tuple[Find, str]]:
        folders = Counter(path.rpartition("/")[0] for path in self.paths)
        likely = sorted((name for name in folders if name), key=lambda name: (-folders[name], name))[:N_FOLDERS]
        ways: list[tuple[Find, str]] = [(partial(self._below, name), f"in {name}/") for name in likely]
        ways += [(partial(self._without, n), f"without {n} leading folder(s)") for n in range(1, N_STRIPPED + 1)]
        ways.append((lambda path: self._by_stem.get(path.strip()), "without the files' suffixes"))
        ways.append((lambda path: self._by_name.get(_name(path)), "by their file names alone, in all folders"))
        ways.append((lambda path: self._by_bare.get(_name(path)), "by their names without suffix, in all folders"))
        return ways

    def _below(self, folder: str, path: str) -> str | None:
        return self.exact(f"{folder}/{path}")

    def _without(self, n: int, path: str) -> str | None:
        return self.exact(path.replace("\\", "/").split("/", n)[-1])

    @cached_property
    def _composed(self) -> dict[str, str]:
        return {unicodedata.normalize("NFC", path): path for path in self.paths}

    @cached_property
    def _by_stem(self) -> dict[str, str]:
        return _unique(self.paths, lambda path: path.rpartition(".")[0])

    @cached_property
    def _by_name(self) -> dict[str, str]:
        return _unique(self.paths, _name)

    @cached_property
    def _by_bare(self) -> dict[str, str]:
        return _unique(self.paths, lambda path: _name(path).rpartition(".")[0])


def _name(path: str) -> str:
    return path.replace("\\", "/").strip().rpartition("/")[2]


def _unique(paths: Collection[str], key: Callable[[str], str]) -> dict[str, str]:
    """Key -> path, of the keys that one path alone has."""
    count = Counter(map(key, paths))
    return {key(path): path for path in paths if count[key(path)] == 1}
