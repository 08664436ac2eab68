"""Classify images with the model of a bundle. Needs numpy, Pillow and onnxruntime alone.

    python predict.py IMAGE_OR_FOLDER...           a table: file, label, probability
    python predict.py IMAGE_OR_FOLDER... --top 3   the three likeliest labels of each
    python predict.py IMAGE_OR_FOLDER... --json    every class's probability (or --csv)
    python predict.py --selftest                   does this machine compute what the bundle's maker computed?

From Python: Predictor(folder).probabilities(paths).
Exit codes: 0 done; 1 an image could not be read, or the self-test failed; 2 the words or the bundle are wrong.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime

if __package__:  # inside automl
    from automl.bundle.resize import ImageFault, load_pixels
else:  # in a bundle: resize.py lies beside this file, wherever the script was started, and no cache is left there
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    # In a bundle resize.py lies beside this file; in the package mypy knows the other one alone.
    from resize import ImageFault, load_pixels  # type: ignore[import-not-found, no-redef]

FloatArray = npt.NDArray[np.float32]
PixelArray = npt.NDArray[np.uint8]

SCHEMA: Final = 1  # of bundle.json, as this script reads it
MODEL_LIMIT_BYTES: Final = 1 << 30
WORDS_LIMIT_BYTES: Final = 1 << 26  # of the other files
BATCH: Final = 32
MAX_SIZE_PX: Final = 8192  # of a bundle.json that makes sense; recipes stay far below
SAMPLED: Final = 8  # pixels along each edge that the self-test compares
PIXEL_TOLERANCE: Final = 1.0  # grey levels, mean; other builds of the JPEG library differ by less, mistakes by more
DECODERS: Final = 4  # threads; Pillow releases the interpreter's lock
SUFFIXES: Final = frozenset(
    (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff")
)
"""What counts as an image inside a folder; a file that is named itself is always tried."""


class BundleFault(Exception):
    """The folder is no bundle that this script can use; the message says why."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One image's result."""

    path: Path
    probabilities: dict[str, float]  # class -> 0..1, in the model's order; empty where the image could not be read
    fault: str = ""  # why it could not be read

    @property
    def ranked(self) -> list[tuple[str, float]]:
        """Classes and probabilities, the likeliest first."""
        return sorted(self.probabilities.items(), key=lambda pair: -pair[1])


class Predictor:
    """A bundle's model, ready to run.

    Raises: BundleFault: a file is missing, is no model, has another schema, or points outside itself; bundle.json is
        not about this model.
    """

    def __init__(self, folder: Path) -> None:
        facts = read_facts(folder)
        self.folder: Final = folder
        self.classes: Final[tuple[str, ...]] = tuple(facts["classes"])
        self.size_px: Final[int] = facts["input"]["size_px"]
        self.max_megapixels: Final[float] = facts["input"]["max_megapixels"]
        self._session = open_model(folder / "model.onnx")
        if fault := misfit(self._session, self.classes, self.size_px):
            raise not_understood(folder / "bundle.json", fault)

    def run(self, pixels: PixelArray) -> FloatArray:
        """Probabilities float32 (n, classes) of RGB pixels uint8 (n, size_px, size_px, 3)."""
        probabilities: FloatArray = self._session.run(["probabilities"], {"image": pixels})[0]
        return probabilities

    def probabilities(self, paths: Iterable[Path]) -> FloatArray:
        """Probabilities float32 (n, classes) of image files. Raises: ImageFault: one cannot be read."""
        rows = []
        for path, result in self.each(paths):
            if isinstance(result, ImageFault):
                raise ImageFault(result.reason, f"{path}: {result.detail}")
            rows.append(result)
        return np.stack(rows) if rows else np.zeros((0, len(self.classes)), np.float32)

    def each(self, paths: Iterable[Path]) -> Iterator[tuple[Path, FloatArray | ImageFault]]:
        """Each file with its probabilities float32 (classes,), or with what is wrong with it; in the given order."""
        left = iter(paths)
        with ThreadPoolExecutor(DECODERS) as pool:
            while batch := list(islice(left, BATCH)):
                read = list(pool.map(self.read, batch))
                good = [pixels for pixels in read if not isinstance(pixels, ImageFault)]
                rows = iter(self.run(np.stack(good)) if good else ())
                for path, pixels in zip(batch, read, strict=True):
                    yield path, pixels if isinstance(pixels, ImageFault) else next(rows)

    def predictions(self, paths: Iterable[Path]) -> Iterator[Prediction]:
        """The same with names to the numbers."""
        for path, result in self.each(paths):
            if isinstance(result, ImageFault):
                yield Prediction(path, {}, str(result))
            else:
                yield Prediction(path, dict(zip(self.classes, map(float, result), strict=True)))

    def read(self, path: Path) -> PixelArray | ImageFault:
        """A file's pixels uint8 (size_px, size_px, 3) as the model sees them, or what is wrong with it."""
        try:
            mode = path.stat().st_mode
            if stat.S_ISDIR(mode):
                return ImageFault("no image", "a folder without any image file")
            if not stat.S_ISREG(mode):  # opening a pipe waits for its other end, perhaps for ever
                return ImageFault("not a regular file", "a pipe, a device or a socket")
            pixels: PixelArray = load_pixels(path.read_bytes(), self.size_px, self.max_megapixels)
        except OSError as error:
            return ImageFault("cannot be read", error.strerror or str(error))
        except ImageFault as fault:
            return fault
        return pixels


def read_facts(folder: Path) -> dict[str, Any]:
    """bundle.json, of this script's schema. Raises: BundleFault."""
    path = folder / "bundle.json"
    try:
        facts: dict[str, Any] = json.loads(read_file(path, WORDS_LIMIT_BYTES))
        if facts["schema"] != SCHEMA:
            raise BundleFault(
                f"{path} has schema {facts['schema']!r}. Wanted: {SCHEMA}. Use the bundle's own predict.py."
            )
        check_sense(facts["classes"], facts["input"]["size_px"], facts["input"]["max_megapixels"])
    except OSError as error:
        raise BundleFault(f"{path} cannot be read: {error.strerror}. Wanted: the folder of a bundle.") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise not_understood(path, repr(error)) from error
    return facts


def not_understood(path: Path, why: str) -> BundleFault:
    """The fault of a bundle.json that is whole, but says nothing that can be used."""
    return BundleFault(f"{path} cannot be understood ({why}). Wanted: the file that the bundle came with.")


def check_sense(classes: object, size_px: object, max_megapixels: object) -> None:
    """Raises: ValueError: these are no values that a bundle can have, whatever its model."""
    if not (isinstance(classes, list) and all(isinstance(name, str) for name in classes)):
        raise ValueError(f"classes are no list of names: {classes!r:.80}")
    if not 2 <= len(set(classes)) == len(classes):
        raise ValueError(f"classes are not two or more different names: {classes!r:.80}")
    if type(size_px) is not int or not 1 <= size_px <= MAX_SIZE_PX:  # True is an int to isinstance
        raise ValueError(f"size_px is {size_px!r:.80}, no whole number from 1 to {MAX_SIZE_PX}")
    if type(max_megapixels) not in (int, float) or not 0 < max_megapixels < np.inf:  # type: ignore[operator]  # a number
        raise ValueError(f"max_megapixels is {max_megapixels!r:.80}, no number above 0")


def misfit(session: onnxruntime.InferenceSession, classes: Sequence[str], size_px: int) -> str:
    """How the model differs from what bundle.json says of it; nothing, if it does not.

    The names of the classes are compared where the model has them in its metadata ("class_names", a JSON list).
    """
    inputs = [(value.name, value.type, value.shape[1:]) for value in session.get_inputs()]
    if inputs != [("image", "tensor(uint8)", [size_px, size_px, 3])]:
        return f"size_px is {size_px}, and the model takes {inputs}"
    outputs = [(value.name, value.type, value.shape[1:]) for value in session.get_outputs()]
    if ("probabilities", "tensor(float)", [len(classes)]) not in outputs:
        return f"{len(classes)} classes, and the model gives {outputs}"
    named = session.get_modelmeta().custom_metadata_map.get("class_names")
    try:
        same = named is None or json.loads(named) == list(classes)
    except (ValueError, RecursionError):
        same = False
    return "" if same else f"classes are not those in the model's metadata, {named:.80}"


def open_model(path: Path) -> onnxruntime.InferenceSession:
    """The model on the CPU. A bundle may come from anywhere: its size is capped, and it may read no other file."""
    options = onnxruntime.SessionOptions()
    # Weights outside the file would be looked for in this place, below which there can be none.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    try:
        model = read_file(path, MODEL_LIMIT_BYTES)
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except OSError as error:
        raise BundleFault(f"{path} cannot be read: {error.strerror}. Wanted: the folder of a bundle.") from error
    except BundleFault:
        raise
    except Exception as error:  # onnxruntime's errors have no base class of their own
        raise BundleFault(f"{path} cannot be loaded: {error}. Wanted: an ONNX model whole in one file.") from error


def read_file(path: Path, limit_bytes: int) -> bytes:
    """A file of a bundle. Raises: OSError; BundleFault: too large, or a device, a pipe: reading it might never end."""
    facts = path.stat()
    if not stat.S_ISREG(facts.st_mode):
        raise BundleFault(f"{path} is no regular file. Wanted: the file that the bundle came with.")
    if facts.st_size > limit_bytes:
        raise BundleFault(f"{path} has {facts.st_size:,} bytes. Wanted: at most {limit_bytes:,}.")
    return path.read_bytes()


def find_images(given: Iterable[Path]) -> list[Path]:
    """The images to read, in order: files as they are named, folders with all images below them, sorted by path.

    A folder without any image stands for itself, so that reading it says so.
    """
    found: list[Path] = []
    for path in given:
        found += images_below(path) or [path] if path.is_dir() else [path]
    return found


def images_below(folder: Path) -> list[Path]:
    """Files with an image's suffix, at any depth; hidden ones, and folders behind links, are passed over.

    What only looks like a file (a pipe, a broken link) is among them, so that reading it says so.
    """
    found = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = [Path(root, name) for name in files if not name.startswith(".")]
        found += [path for path in paths if path.suffix.lower() in SUFFIXES]
    return sorted(found)


@dataclass(frozen=True, slots=True)
class Selftest:
    """The golden pictures, computed again."""

    n: int
    max_difference: float  # of probabilities
    tolerance: float
    faults: tuple[str, ...]  # none: passed


def selftest(predictor: Predictor) -> Selftest:
    """Compare the golden pictures' pixels and probabilities with those in golden/expected.json.

    Two comparisons, because they fail for different reasons: pixels where decoding or resizing is another, and
    probabilities besides where the arithmetic is (an int8 model's differ from one kind of processor to another).

    Raises: BundleFault: the golden files are missing or make no sense.
    """
    folder = predictor.folder / "golden"
    try:
        golden = json.loads(read_file(folder / "expected.json", WORDS_LIMIT_BYTES))
        names = [Path(picture["file"]).name for picture in golden["pictures"]]
        expected = np.array([picture["probabilities"] for picture in golden["pictures"]], dtype=np.float32)
        tolerance = float(golden["tolerance"])
        found = predictor.probabilities([folder / name for name in names])
        if len(names) == 0 or found.shape != expected.shape:
            raise ValueError(f"{expected.shape} expected probabilities for {found.shape}")
        wanted = np.array([list(bytes.fromhex(picture["pixels"])) for picture in golden["pictures"]])
        shades = np.abs(wanted - np.stack([sampled(predictor.read(folder / name)) for name in names])).mean(axis=1)
    except (OSError, ValueError, KeyError, TypeError, ImageFault) as error:
        raise BundleFault(
            f"{folder} cannot be used ({error!r}). Wanted: the files that the bundle came with."
        ) from error
    differences = np.abs(found - expected).max(axis=1)
    near = (differences <= tolerance) & agreeing(expected, found, tolerance)  # false for NaN
    faults = [f"the pixels of {names[row]} differ by {shades[row]:.1f} grey levels"
              for row in np.flatnonzero(shades > PIXEL_TOLERANCE)]  # fmt: skip
    faults += [f"the probabilities of {names[row]} differ by {differences[row]:.2g}" for row in np.flatnonzero(~near)]
    return Selftest(len(names), float(differences.max()), tolerance, tuple(faults))


def sampled(pixels: PixelArray | ImageFault) -> npt.NDArray[np.int64]:
    """Some pixels of a picture, in a grid, flat: int64 (up to SAMPLED * SAMPLED * 3,). Raises: the fault itself."""
    if isinstance(pixels, ImageFault):
        raise pixels
    step = -(-len(pixels) // SAMPLED)
    return pixels[::step, ::step].astype(np.int64).ravel()


def agreeing(expected: FloatArray, found: FloatArray, tolerance: float) -> npt.NDArray[np.bool_]:
    """Rows bool (n,) that name the same class, or whose two candidates are a tie in the expected probabilities.

    Args: expected, found: float32 (n, classes).
    """
    rows = np.arange(len(expected))
    gap = expected.max(axis=1) - expected[rows, found.argmax(axis=1)]  # 0 where the class is the same
    close: npt.NDArray[np.bool_] = gap <= tolerance
    return close


def main(words: Sequence[str] | None = None) -> int:
    """The command. Returns: the exit code."""
    summary, _, usage = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=usage, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("inputs", nargs="*", type=Path, metavar="IMAGE_OR_FOLDER")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON with every class's probability")
    form.add_argument("--csv", action="store_true", help="print CSV with every class's probability")
    form.add_argument("--top", type=int, default=1, metavar="K", help="labels in the table (default: 1)")
    parser.add_argument("--selftest", action="store_true", help="compute the golden pictures again and compare")
    asked = parser.parse_args(words)
    if bool(asked.inputs) == asked.selftest or asked.top < 1:
        parser.error("wanted: images or folders, or --selftest; K at least 1")
    try:
        predictor = Predictor(Path(__file__).resolve().parent)
        if asked.selftest:
            return say_selftest(selftest(predictor))
        predictions = list(predictor.predictions(find_images(asked.inputs)))
    except BundleFault as fault:
        print(fault, file=sys.stderr)
        return 2
    if asked.json:
        print(as_json(predictions))
    elif asked.csv:
        write_csv(predictions, predictor.classes)
    else:
        print(as_table(predictions, asked.top), end="")
    for unread in (prediction for prediction in predictions if prediction.fault):
        print(f"{printable(unread.path)}: {unread.fault}", file=sys.stderr)
    return int(any(prediction.fault for prediction in predictions))


def say_selftest(result: Selftest) -> int:
    """Print how it went. Returns: the exit code."""
    print(
        f"{result.n} pictures, largest difference of probabilities {result.max_difference:.2g}, "
        f"allowed {result.tolerance:g}: {'; '.join(result.faults) or 'passed'}"
    )
    return int(bool(result.faults))


def as_json(predictions: Iterable[Prediction]) -> str:
    """A JSON list: path, label, probability and probabilities of each image, or path and error."""
    rows: list[dict[str, object]] = []
    for prediction in predictions:
        if prediction.fault:
            rows.append({"path": str(prediction.path), "error": prediction.fault})
            continue
        label, probability = prediction.ranked[0]
        rows.append(
            {
                "path": str(prediction.path),
                "label": label,
                "probability": probability,
                "probabilities": prediction.probabilities,
            }
        )
    return json.dumps(rows, indent=2)


def write_csv(predictions: Iterable[Prediction], classes: Sequence[str]) -> None:
    """Print CSV: path, label, probability, then one column a class; images that could not be read are left out."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["path", "label", "probability", *(f"p({name})" for name in classes)])
    for prediction in predictions:
        if not prediction.fault:
            label, probability = prediction.ranked[0]
            writer.writerow([prediction.path, label, probability, *prediction.probabilities.values()])


def as_table(predictions: Iterable[Prediction], top: int) -> str:
    """Aligned columns: file, then label and probability of the likeliest classes; unread images are left out."""
    lines = [
        [
            printable(prediction.path),
            *(cell for label, p in prediction.ranked[:top] for cell in (visible(label), f"{p:.4f}")),
        ]
        for prediction in predictions
        if not prediction.fault
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join("  ".join(map(str.ljust, line, widths)).rstrip() + "\n" for line in lines)


def printable(text: object) -> str:
    """The text with control characters and broken encodings spelled out, so that no name can steer a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def visible(label: str) -> str:
    """The label as printable, in quotation marks if it begins or ends with a blank."""
    return printable(label) if label == label.strip() else f"'{printable(label)}'"


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # both are text files here
    sys.exit(main())
