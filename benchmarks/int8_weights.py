"""8-bit or 7-bit weights: what int8 variants of a finished run lose on this CPU, against the same file run in float.

    .venv/bin/python benchmarks/int8_weights.py RUN...

x86 CPUs without VNNI multiply 8-bit numbers by an instruction that adds pairs of products in 16 bits and saturates. For
each run (a folder under runs/) both kinds of int8 file are made from its fp32.onnx, and run twice on its validation
images: as onnxruntime optimises them, and with every optimisation off, where the integers are only stored and all
arithmetic is float. What the first loses beyond the second is the CPU's doing. A row each is appended to
benchmarks/int8_weights.jsonl; those there for the same run, CPU and setting are not measured again. Prints the table of
docs/measurements.md.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from time import perf_counter
from unittest import mock

import click
import numpy as np
import onnxruntime as ort

from automl.compressors import int8
from automl.compressors.measure import describe_cpu, time_models
from automl.data.pack import read_index
from automl.data.store import open_pixels, store_name
from automl.records import Trained
from automl.runs.folder import RunFolder

ROWS = Path(__file__).with_suffix(".jsonl")
BATCH, CALIBRATION, REPEATS = 32, 128, 200


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
def main(runs: tuple[Path, ...]) -> None:
    """Measure what is missing, print all rows."""
    cpu = describe_cpu()
    for run in runs:
        for method in ("minmax", "percentile"):
            known = [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []
            if not any((row["run"], row["cpu"], row["method"]) == (run.name, cpu, method) for row in known):
                row = {"run": run.name, "cpu": cpu, "method": method, **measure(run, method)}
                with ROWS.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    click.echo(
        "| CPU | run | backbone | ranges | n | flips, 8-bit weights | in float | flips, 7-bit weights | in float "
        "| accuracy fp32, 8-bit, 7-bit | 7-bit latency / 8-bit |\n|" + " --- |" * 11
    )
    for row in map(json.loads, ROWS.read_text().splitlines()):
        eight, seven = row["8"], row["7"]
        click.echo(
            f"| {row['cpu']} | {row['run']} | {row['backbone']} | {row['method']} | {row['n']} | {eight['flips']} "
            f"| {eight['flips_in_float']} | {seven['flips']} | {seven['flips_in_float']} "
            f"| {row['fp32_accuracy']:.3f}, {eight['accuracy']:.3f}, {seven['accuracy']:.3f} "
            f"| {seven['latency_ms'] / eight['latency_ms']:.2f} |"
        )


def measure(root: Path, method: int8.Method) -> dict:
    """One run's row."""
    folder = RunFolder(root.absolute())
    network = folder.record(Trained).network
    pixels = open_pixels(folder.stage("check") / store_name(network.size_px))
    rows, labels = read_index(folder.stage("pack"), "validation")
    training, _ = read_index(folder.stage("pack"), "train")
    calibration = pixels[np.sort(np.random.default_rng(1).permutation(training)[:CALIBRATION])]
    fp32 = folder.stage("compress") / "fp32.onnx"
    wanted = classes(fp32, pixels, rows)
    row = {"backbone": network.backbone, "n": len(rows), "fp32_accuracy": float((wanted == labels).mean())}
    with tempfile.TemporaryDirectory() as scratch:
        files = {bits: Path(scratch) / f"{bits}.onnx" for bits in ("8", "7")}
        for bits, path in files.items():
            with mock.patch.object(int8, "SEVEN_BIT_WEIGHTS", bits == "7"):
                int8.compress(fp32, path, calibration, method=method)
            own = classes(path, pixels, rows)
            row[bits] = {
                "accuracy": float((own == labels).mean()),
                "flips": int((own != wanted).sum()),
                "flips_in_float": int((classes(path, pixels, rows, optimised=False) != wanted).sum()),
            }
        for bits, latency in time_models(files, pixels[rows[:1]], REPEATS, perf_counter).items():
            row[bits]["latency_ms"] = latency.median_ms
    return row


def classes(path: Path, pixels: np.ndarray, rows: np.ndarray, *, optimised: bool = True) -> np.ndarray:
    """The class that a file gives each of these images."""
    options = ort.SessionOptions()
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    batches = [pixels[rows[start : start + BATCH]] for start in range(0, len(rows), BATCH)]
    return np.concatenate([session.run(["probabilities"], {"image": batch})[0].argmax(1) for batch in batches])


if __name__ == "__main__":
    main()
