"""docs/cli.md from the program itself: `.venv/bin/python -m tests.cli.write_docs` writes it, a test compares it."""

from __future__ import annotations

from pathlib import Path

import click

from automl.cli.main import cli
from automl.errors import EXIT_CODES
from automl.finding_table import KINDS
from automl.nets.catalogue import BACKBONES
from automl.recipe.keys import ADDING, KEYS, wanted

CLI_MD = Path(__file__).parents[2] / "docs" / "cli.md"
INTRODUCTION = """# The command line
This page is written by `python -m tests.cli.write_docs` and compared with the program by a test.

## Exit codes
| code | means |
| --- | --- |
"""
OWN = """### Backbones of your own
`backbones: [mobilenetv2, nets/mine.keras]` in a recipe (the path is relative to the recipe's file), or
`--set backbones.custom=nets/mine.keras` beside the recipe's own candidates (relative to the current folder): a network
that Keras 3 saved by `model.save("mine.keras")`, with its weights. In tables it is called by its file's name.

- It takes one square image, `(None, size, size, 3)` or `(None, None, None, 3)`.
- It has feature maps of two resolutions of more than 1 px; what stands above the deeper one, a classifier's head, is
  cut off.
- It is made of plain layers, functional or sequential, models within models too. A Lambda, a class of your own, a layer
  that reads files, a name with a path in it refuse the file: exit code 2, and why.
- What only training knows (augmentation, noise, regularizers, constraints, `trainable`) is left behind.
- A fixed size is changed to the packed size if its weights allow it; else it is left out unless `pack.size_px` is its
  own.
- A Rescaling, a Normalization or a `preprocess_input` in it is kept. Else its first BatchNorm tells on which pixel
  values it was trained, or `weights.pixels` says it; else it gets 0..255. Which it was is said.
- A layer that the ONNX writer does not know is named in the first minute; the run goes on without this backbone if it
  has another.
- The run keeps a copy in `runs/NAME/backbones/`: a later change of the file changes nothing, `--redo pick` takes it
  anew.
- The model card says of its licence: "unknown: the owner's". With `weights.pretrained: false` it starts from random
  weights.

A preset of KerasHub goes the same way, where `pip install 'automl[hub]'` was done: `hub:resnet_18_imagenet` by name, or
`hub:./nets/mine`, a folder (there is a slash in its path) that KerasHub's `save_to_preset` wrote.

- It is a DenseNet, EfficientNet, HGNetV2, MobileNet, ResNet, VGG or Xception. Others have layers that the ONNX writer
  does not know; so have ResNets of version 2, which are left out in the first minute.
- Its config may name one of these classes of KerasHub and give it numbers and names; whatever else is in it refuses the
  preset: exit code 2, and why.
- Pixel values are changed inside the network as its `image_converter.json` or `preprocessor.json` says, unless
  `weights.pixels` says otherwise. Without either file, its first BatchNorm tells, as above.
- A name is looked for in KaggleHub's cache, then fetched into it (`weights.download`). Without a network the first
  minute says so, leaves it out, and says how a folder of it is made elsewhere. `automl weights list` has it among what
  the recipe needs; `fetch` and `bundle` leave it to the run.
- Record, report and model card name it, with the sha256 over the checksums of its files: what
  `sha256sum config.json model.weights.h5 image_converter.json | sha256sum` prints in its folder (with preprocessor.json
  in place of an image_converter.json that is not there).
- KerasHub does not say a preset's licence: the model card has "unknown: see" and the address of its page, of a folder
  "unknown: the owner's". Where `pick.licences` is set, presets are left out unless `unknown` is among them.
"""


def text() -> str:
    """The whole page."""
    codes = "".join(f"| {code} | {meaning} |\n" for code, meaning in EXIT_CODES.items())
    return (
        INTRODUCTION
        + codes
        + "\n"
        + "\n".join(_helps(cli, "automl"))
        + "\n"
        + _keys()
        + "\n"
        + _backbones()
        + "\n"
        + _findings()
    )


def _helps(command: click.Command, name: str, above: click.Context | None = None) -> list[str]:
    with click.Context(command, info_name=name, parent=above, **command.context_settings) as context:
        context.max_content_width = 110
        context.terminal_width = 110
        found = [f"## {context.command_path}\n```\n{command.get_help(context)}\n```\n"]
        if isinstance(command, click.Group):
            for inner_name in command.list_commands(context):
                inner = command.get_command(context, inner_name)
                assert inner is not None
                found += _helps(inner, inner_name, context)
    return found


def _keys() -> str:
    rows = "\n".join(
        f"| `{key}` | {_shown(schema['default'])} | {wanted(schema)} | {schema['description']} |"
        for key, schema in KEYS.items()
    )
    rows += "".join(
        f"\n| `{key}` | none | the path of a .keras file, or a list of them | {means} |"
        for key, means in ADDING.items()
    )
    return f"## The recipe's keys\n| key | default | wanted | means |\n| --- | --- | --- | --- |\n{rows}\n"


def _backbones() -> str:
    rows = "\n".join(
        f"| {row.name} | {row.params_m:,.3f} | {row.gmacs:,.3f} | {'-' if row.top1 is None else f'{row.top1:.3f}'} "
        f"| {row.size_px} | {row.least_px} | {row.licence} |"
        for row in BACKBONES
    )
    return (
        "## The backbones\nNames for `backbones`. Parameters: millions, without the head. Multiply-adds: thousand\n"
        "millions, of one image at the native size. Top-1: on ImageNet, published. Who published it and the source of\n"
        "each licence (of the pretrained weights), stand in automl/nets/catalogue.py.\n\n"
        "| name | parameters | multiply-adds | top-1 | native px | least px | licence |\n"
        f"| --- | --- | --- | --- | --- | --- | --- |\n{rows}\n\n{OWN}"
    )


def _findings() -> str:
    rows = "\n".join(
        f"| {kind.name} | {kind.stage} | {kind.severity}{', always' if kind.final else ''} |" for kind in KINDS
    )
    return (
        "## The findings\nKinds for `check.stop_on` and `check.allow`; a severity is what a kind has by itself.\n\n"
        f"| kind | found by | severity |\n| --- | --- | --- |\n{rows}\n"
    )


def _shown(default: object) -> str:
    if isinstance(default, list | tuple):
        return ", ".join(map(_shown, default)) or "none"
    return str(default).lower() if isinstance(default, bool) else str(default)


if __name__ == "__main__":
    CLI_MD.write_text(text())
