"""From the path that a manifest's row gives to an image of the dataset, never to one outside it. Pure."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Final

from automl.data.files import SUFFIXES
from automl.data.reading import part_of
from automl.data.wording import shown, some
from automl.types import Part

N_SAMPLE: Final = 2000  # rows that a way to look for paths is judged by
N_FOLDERS: Final = 64  # that are tried for paths which do not say in which folder they lie
N_STRIPPED: Final = 3  # leading folders that are tried without: manifests are often relative to a project's folder
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_ABSOLUTE: Final = re.compile(r"[/\\~]|[A-Za-z]:|[A-Za-z][A-Za-z0-9+.-]*://")

FITS_ALIKE: Final = 0.9  # of the images that the best way finds; a way to as many others is as likely to be meant

Found = Sequence["str | None"]  # of each row: the image; None: there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to find the images that paths name."""

    words: str  # where they are looked for; "": where the paths say
    all_of: Callable[[Sequence[str], Sequence[Part | None]], Found]  # paths ("": none) and the rows' parts -> images
    settled: bool = False  # the table itself says so


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

    def ways(self, cells: Sequence[str], parts: Sequence[Part | None]) -> list[Way]:
        """How the paths of a manifest can be found: one way, or more that fit alike and lead to other images.

        The paths as written, if any image is found so; else the way that finds most, the plainest of equals. By the
        rows' parts comes before all that find no more. None: no image is found.

        Args: parts: of each row; None: it gives none.
        """
        sample = [(cell, part) for cell, part in zip(cells, parts, strict=True) if cell][:N_SAMPLE]
        asked = [cell for cell, _ in sample]
        if any(self.exact(cell) is not None for cell in asked):
            return [Way(words="", all_of=_each(self.exact))]
        found = [(way, way.all_of(asked, [part for _, part in sample])) for way in self._other_ways(set(parts))]
        found = [(way, paths) for way, paths in found if any(paths)]
        if not found:
            return []
        best, where = max(found, key=lambda way: _count(way[1]))  # the first of equals
        if best.settled:
            return [best]
        least = FITS_ALIKE * _count(where)
        rivals = [way for way, paths in found if _count(paths) >= least and _differ(paths, where)]
        return [best, *rivals]

    def refusal(self, cells: Sequence[str], base: str) -> str:
        """Why the cells of a column that holds paths name no image, with one or two of them; "" where it holds none."""
        written = [cell.strip() for cell in cells[:N_SAMPLE] if _ADDRESS.match(cell.strip()) or _looks_like_path(cell)]
        if not written:
            return ""
        first = written[0]
        told = " and ".join(repr(shown(cell)) for cell in dict.fromkeys(written[:2]))
        relative = "Wanted: paths of images in the table's folder, relative to it"
        if _ADDRESS.match(first):
            return f"{told}: addresses, and nothing is fetched. {relative}"
        if _ABSOLUTE.match(first):
            return f"{told}: absolute paths, which are refused. {relative}"
        path = inside(first, base)
        if path is None:
            return f"{told}: paths that leave the dataset's folder, which are refused. {relative}"
        if otherwise := self._by_case.get(_cased(path)):
            return f"{told}, and the file is called {shown(otherwise)!r}. {relative}, in the case of their names"
        return f"{told}, and there is no such image. {relative}"

    def _other_ways(self, parts: Collection[Part | None]) -> Iterator[Way]:
        folders = Counter(path.rpartition("/")[0] for path in self.paths)
        likely = sorted((name for name in folders if name), key=lambda name: (-folders[name], name))[:N_FOLDERS]
        of_part = {part: [name for name in likely if part in map(part_of, name.split("/"))] for part in parts if part}
        if any(of_part.values()):
            names = sorted({name for of_one in of_part.values() for name in of_one})
            words = f"in {some(names, '/')}, by their parts"
            yield Way(words=words, all_of=partial(self._by_part, of_part), settled=True)
        for name in likely:
            yield Way(words=f"in {shown(name)}/", all_of=_each(partial(self._below, name)))
        for n in range(1, N_STRIPPED + 1):
            yield Way(words=f"without {n} leading folder(s)", all_of=_each(partial(self._without, n)))
        for words, find in (
            ("without the files' suffixes", lambda path: self._by_stem.get(path.strip())),
            ("by their file names alone, in all folders", lambda path: self._by_name.get(_name(path))),
            ("by their names without suffix, in all folders", lambda path: self._by_bare.get(_name(path))),
        ):
            yield Way(words=words, all_of=_each(find))

    def _by_part(
        self, folders: Mapping[Part, Sequence[str]], cells: Sequence[str], parts: Sequence[Part | None]
    ) -> Found:
        """In the one folder of the row's part that has it; else by a file name that is nowhere else."""
        found: list[str | None] = []
        for cell, part in zip(cells, parts, strict=True):
            there = {path for name in (folders.get(part, ()) if part else ()) if (path := self._below(name, cell))}
            by_name = self._by_name.get(_name(cell)) or self._by_bare.get(_name(cell))
            found.append(there.pop() if len(there) == 1 else None if there else by_name)
        return found

    def _below(self, folder: str, path: str) -> str | None:
        """With or without its suffix."""
        return self.exact(f"{folder}/{path}") or self._by_stem.get(f"{folder}/{path.strip()}")

    def _without(self, n: int, path: str) -> str | None:
        return self.exact(path.replace("\\", "/").split("/", n)[-1])

    @cached_property
    def _composed(self) -> dict[str, str]:
        return {unicodedata.normalize("NFC", path): path for path in self.paths}

    @cached_property
    def _by_case(self) -> dict[str, str]:
        return {_cased(path): path for path in self.paths}

    @cached_property
    def _by_stem(self) -> dict[str, str]:
        return _unique(self.paths, lambda path: path.rpartition(".")[0])

    @cached_property
    def _by_name(self) -> dict[str, str]:
        return _unique(self.paths, _name)

    @cached_property
    def _by_bare(self) -> dict[str, str]:
        return _unique(self.paths, lambda path: _name(path).rpartition(".")[0])


def _each(find: Callable[[str], str | None]) -> Callable[[Sequence[str], Sequence[Part | None]], Found]:
    """A way for which the rows' parts are no matter."""
    return lambda cells, parts: [find(cell) if cell else None for cell in cells]


def _count(found: Found) -> int:
    return sum(path is not None for path in found)


def _differ(ones: Found, others: Found) -> bool:
    return any(one and other and one != other for one, other in zip(ones, others, strict=True))


def _cased(path: str) -> str:
    return path.replace("\\", "/").casefold()


def _looks_like_path(cell: str) -> bool:
    return "/" in cell or "\\" in cell or cell.strip().lower().endswith(tuple(SUFFIXES))


def _name(path: str) -> str:
    return path.replace("\\", "/").strip().rpartition("/")[2]


def _unique(paths: Collection[str], key: Callable[[str], str]) -> dict[str, str]:
    """Key -> path, of the keys that one path alone has."""
    count = Counter(map(key, paths))
    return {key(path): path for path in paths if count[key(path)] == 1}
