"""A KerasHub preset, by its name or from a folder, as a network: the package is imported here alone.

Its config names a class of KerasHub and gives it plain arguments. Both are judged; the class is then called by us, so
that nothing of the preset is deserialised. Its weights are read as those of a .keras file are.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib import metadata
from pathlib import Path
from typing import Any, Final, cast

from automl.errors import UsageError, WrongBackbone
from automl.nets.fetch import host_trouble
from automl.nets.own.allowed import NotAllowed, checked_arguments, read_config, words
from automl.nets.own.brought import LICENCE, Brought, LeftOut, Scale, filled, need_image
from automl.recipe.backbones import HUB, hub_folder

PACKAGE: Final = "keras-hub"
FAMILIES: Final = words(
    """
    DenseNetBackbone EfficientNetBackbone HGNetV2Backbone MobileNetBackbone ResNetBackbone VGGBackbone XceptionBackbone
    """
)
"""Its backbones of image classifiers whose layers the ONNX writer knows: no transformers, no CSPNet."""
CONFIG, WEIGHTS = "config.json", "model.weights.h5"
CONVERTERS: Final = ("image_converter.json", "preprocessor.json")
"""Where a preset may say what is done to pixels: the first that is there."""
HOST: Final = "https://www.kaggle.com/"

Find = Callable[[str], Path | None]  # a preset's file by its name; None: the preset has none


def from_preset(entry: str, *, download: bool) -> Brought:
    """The preset's network, filled.

    Args: entry: "hub:NAME", or "hub:/ABSOLUTE/FOLDER". download: whether a name may be fetched.
    Raises: UsageError: KerasHub is not installed; WrongBackbone: it has no preset of that name; LeftOut: it cannot be
        fetched; NotAllowed: its config holds what is not on the lists; ValueError: it makes no sense; OSError.
    """
    _need_package(entry)
    folder = hub_folder(entry)
    find = _in_folder(folder) if folder is not None else _by_name(entry, download=download)
    config, weights = find(CONFIG), find(WEIGHTS)
    if config is None or weights is None:
        raise ValueError(f"it has no {CONFIG if config is None else WEIGHTS} (weights in several files are not read)")
    family, arguments = checked_preset(read_config(config.read_bytes()))
    converter = _converter(find)
    return Brought(
        model=filled(lambda: _built(family, arguments), weights),
        sha256=sum_of([config, weights, *([] if converter is None else [converter])]),
        licence=LICENCE if folder is not None else f"unknown: see {_page(_handle(entry))}",
        scale=None if converter is None else scale_of(read_config(converter.read_bytes())),
    )


def folder_sum(folder: Path) -> str:
    """The sha256 of all that is read of a preset's folder. Raises: OSError: it is not whole."""
    converter = _converter(_in_folder(folder))
    return sum_of([folder / CONFIG, folder / WEIGHTS, *([] if converter is None else [converter])])


def sum_of(files: list[Path]) -> str:
    """The sha256 over the lines that sha256sum prints of these files, by their names alone. Raises: OSError."""
    lines = []
    for path in files:
        with path.open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def checked_preset(config: object) -> tuple[str, dict[str, Any]]:
    """The class of KerasHub that a preset's config names, and its arguments. Pure.

    Raises: NotAllowed: it is none of the families above, or is given other things than plain values.
    """
    found = config if isinstance(config, dict) else {}
    family, module, registered = found.get("class_name"), str(found.get("module")), found.get("registered_name")
    if not isinstance(family, str) or family not in FAMILIES or not module.startswith("keras_hub.src.models."):
        raise NotAllowed(
            f"its {CONFIG} is of a {str(family)[:80]!r} of module {module[:80]!r}; wanted: one of KerasHub's "
            f"{', '.join(sorted(FAMILIES))}"
        )
    if registered != f"keras_hub>{family}":
        raise NotAllowed(f"its {family} is registered as {str(registered)[:80]!r}: it is a class of somebody's own")
    given = found.get("config")
    if not isinstance(given, dict):
        raise NotAllowed(f"its {CONFIG} has no arguments")
    plain = {key: value for key, value in given.items() if key not in {"dtype", "data_format"}}
    return family, checked_arguments(plain, f"its {family}")


def scale_of(converter: object) -> Scale | None:
    """By what pixels are changed; None: the file does not say. Pure.

    Args: converter: of image_converter.json, or of a preprocessor.json that may hold one.
    Raises: NotAllowed: it says something that are no numbers.
    """
    config = _config_of(converter)
    if "image_converter" in config:
        config = _config_of(config["image_converter"])
    if not {"scale", "offset"} & set(config):
        return None
    scale, offset = _channels(config.get("scale"), 1.0), _channels(config.get("offset"), 0.0)
    if config.get("mean") is not None and config.get("variance") is not None:  # as older presets say it
        mean, variance = _channels(config["mean"], 0.0), _channels(config["variance"], 1.0)
        if min(variance) <= 0:
            raise NotAllowed(f"its image converter divides by the root of {min(variance):g}")
        scale = tuple(one / math.sqrt(by) for one, by in zip(scale, variance, strict=True))
        offset = tuple(-one / math.sqrt(by) for one, by in zip(mean, variance, strict=True))
    return scale, offset


def _config_of(found: object) -> Mapping[str, Any]:
    config = found.get("config") if isinstance(found, dict) else None
    return config if isinstance(config, dict) else {}


def _channels(found: object, default: float) -> tuple[float, ...]:
    """Three numbers, of one or three, however many brackets are round them."""
    inner = default if found is None else found
    while isinstance(inner, list) and len(inner) == 1:
        inner = inner[0]
    values: list[Any] = inner if isinstance(inner, list) else [inner] * 3
    if len(values) != 3 or not all(type(one) in (int, float) and math.isfinite(one) for one in values):
        raise NotAllowed(f"its image converter changes pixels by {str(found)[:80]!r}; wanted: a number, or three")
    return tuple(float(one) for one in values)


def _need_package(entry: str) -> None:
    """Raises: UsageError: KerasHub is not installed."""
    try:
        metadata.version(PACKAGE)  # not the module: a folder of that name could pose as one
    except metadata.PackageNotFoundError:
        raise UsageError(
            f"{entry} is a preset of KerasHub, and its package is not installed. Wanted: the package {PACKAGE}, or "
            "another backbone. Install it by: pip install 'automl[hub]'"
        ) from None


def _models() -> Any:
    """KerasHub's module of models; the first time it takes some seconds."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # KerasHub imports huggingface_hub, where that is installed
    from keras_hub import models

    return models


def _built(family: str, arguments: Mapping[str, Any]) -> Any:
    try:
        model = getattr(_models(), family)(**arguments)
    except (TypeError, KeyError, IndexError, AttributeError, ZeroDivisionError) as error:
        raise ValueError(f"KerasHub makes no {family} of its arguments: {error}") from error
    need_image(model)
    return model


def _converter(find: Find) -> Path | None:
    return next((path for name in CONVERTERS if (path := find(name)) is not None), None)


def _in_folder(folder: Path) -> Find:
    """Raises: FileNotFoundError: there is no such folder."""
    if not folder.is_dir():
        raise FileNotFoundError(2, "there is no such folder", str(folder))
    return lambda name: path if (path := folder / name).is_file() else None


def _by_name(entry: str, *, download: bool) -> Find:
    """The files of a preset as KaggleHub's cache has them, or fetched into it. Raises: as from_preset."""
    handle = _handle(entry)
    import kagglehub
    from kagglehub.cache import Cache
    from kagglehub.exceptions import KaggleApiHTTPError
    from kagglehub.handle import parse_model_handle

    cache, known = Cache(), parse_model_handle(handle)

    def cached(name: str) -> Path | None:
        here = cache.load_from_cache(known, name)
        return None if here is None else Path(here)

    def fetched(name: str) -> Path | None:
        try:
            return Path(kagglehub.model_download(handle, path=name))
        except Exception as error:  # whatever its client raises of a network
            if isinstance(error, KaggleApiHTTPError) and "404 Client Error" in str(error):
                return None
            raise LeftOut(f"its {name} cannot be fetched: {' '.join(str(error).split())[:300]}") from error

    if cached(CONFIG) and cached(WEIGHTS) and _converter(cached):
        return cached
    if why := host_trouble(HOST) if download else "the recipe forbids downloads (weights.download)":
        name = entry.removeprefix(HUB)
        fetch = f'import kagglehub; kagglehub.model_download("{handle}", output_dir="{name}")'
        raise LeftOut(
            f"its preset is not here, and cannot be fetched: {why}. Where there is a network, python -c '{fetch}' "
            f"writes it into a folder {name}; give that one as {HUB}./{name}"
        )
    return fetched


def _handle(entry: str) -> str:
    """What Kaggle calls the preset. Raises: WrongBackbone: none of these families has one of that name."""
    known: dict[str, Mapping[str, Any]] = {}
    for family in sorted(FAMILIES):
        known |= getattr(_models(), family).presets
    name = entry.removeprefix(HUB)
    if name not in known:
        near = get_close_matches(name, known, n=3, cutoff=0.5)
        meant = f" Did you mean {' or '.join(near)}?" if near else ""
        raise WrongBackbone(
            f"{entry}: no preset of KerasHub's {', '.join(sorted(FAMILIES))} has that name.{meant} Wanted: the name of "
            f"one, or a folder with a slash in its path, {HUB}./{name}. Correct it, or leave it out of backbones."
        )
    return cast("str", known[name]["kaggle_handle"]).removeprefix("kaggle://")


def _page(handle: str) -> str:
    owner, model, *_ = handle.split("/")
    return f"{HOST}models/{owner}/{model}"
