"""The training feed beside every alternative of DESIGN.md's decision 4, in one run; and how long a training waits.

    .venv/bin/python benchmarks/feed.py FOLDER... [--images 2000] [--turns 3] [--idle]

Makes photos of about 500 x 375 from the photos of the FOLDERs (as check_speed.py does), packs them at 224 px, and fits
a model that does nothing for two epochs of batches of 32, each feed in a process of its own, by turns; the second
epoch counts. Told: images/s, CPU time an image, and the most memory that a feed adds to the bare process: pages of its
own, and with them those of mapped files, which the system takes back when it needs them. Then MobileNetV2 at 160 px
trains on the chosen feed: what share of its steps' time it waits for the next batch. A row each is appended to
benchmarks/feed.jsonl. Rates are fair on a machine that does nothing else alone: --idle says that it is one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np

from automl.compressors.measure import describe_cpu

ROWS = Path(__file__).with_suffix(".jsonl")
SEED, SIZE_PX, BATCH, WAITING_PX, WAITING_STEPS = 1, 224, 32, 160, 30
CHOSEN, WAITING = "chosen: tf.data range + numpy_function, raw maps", "MobileNetV2 waits"


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--images", default=2000)
@click.option("--turns", default=3)
@click.option("--idle", is_flag=True, help="this machine does nothing else")
def main(folders: tuple[Path, ...], images: int, turns: int, idle: bool) -> None:
    """Measure all feeds, print the table."""
    import check_speed  # benchmarks/ is this script's folder

    key = {"cpu": describe_cpu(), "cores": len(os.sched_getaffinity(0)), "idle": idle, "images": images}
    check_speed.CASES["500 x 375"] = (500, 375, images)
    with tempfile.TemporaryDirectory(dir=check_speed._memory()) as work:
        photos = check_speed.make_photos(folders, Path(work) / "photos", "500 x 375")
        for size in (SIZE_PX, WAITING_PX):
            pack(photos, Path(work), size)
        for turn in range(turns):
            for feed in (*FEEDS, WAITING):
                done = subprocess.run(
                    [sys.executable, __file__, "--one", feed, work], check=True, capture_output=True, text=True
                )
                row = {**key, "turn": turn, "load": os.getloadavg()[0], "feed": feed}
                with ROWS.open("a") as file:
                    file.write(json.dumps({**row, **json.loads(done.stdout.splitlines()[-1])}) + "\n")
    tell(key)


def pack(photos: Path, work: Path, size_px: int) -> None:
    """Two stores of each size, as check leaves them: raw maps, and one that decodes from the files."""
    from automl.data.images import write_images
    from automl.data.layouts import list_dataset
    from automl.data.scan import scan
    from automl.data.scan_journal import inputs_of
    from automl.data.store_choice import Choice

    listing = list_dataset(photos)
    for kind in ("raw", "files"):
        folder = work / kind
        folder.mkdir(exist_ok=True)
        found = scan(
            listing, folder, inputs=inputs_of(listing, (size_px,), 64, "benchmark"), sizes_px=(size_px,),
            looks_px=size_px, max_megapixels=64, threads=2, progress=lambda done, total: None, choice=Choice(kind=kind),
        )  # fmt: skip
        write_images(folder / "images.csv", found.images)


def training(pixels: Any, labels: np.ndarray, epoch: int) -> Any:
    """The feed that trains, without the seeds of its augmentation."""
    from automl.data.feed import training_batches

    feed = training_batches(pixels, np.arange(len(labels)), labels, batch_size=BATCH, seed=SEED, epoch=epoch)
    return feed.map(lambda images, classes, seed: (images, classes))


def whole(n: int, epoch: int) -> np.ndarray:
    """Rows of whole batches (steps, BATCH), each ascending, in the order of an epoch."""
    order = np.random.default_rng([SEED, epoch]).permutation(n)[: n // BATCH * BATCH]
    return np.sort(order.reshape(-1, BATCH), axis=1)


def generator(pixels: Any, labels: np.ndarray, epoch: int) -> Any:
    return ((pixels[rows], labels[rows]) for rows in whole(len(labels), epoch))


def from_generator(pixels: Any, labels: np.ndarray, epoch: int) -> Any:
    import tensorflow as tf

    specs = (tf.TensorSpec((BATCH, *pixels.shape[1:]), tf.uint8), tf.TensorSpec((BATCH,), tf.int64))
    return tf.data.Dataset.from_generator(lambda: generator(pixels, labels, epoch), output_signature=specs).prefetch(2)


def py_dataset(workers: int, processes: bool) -> Callable[[Any, np.ndarray, int], Any]:
    def make(pixels: Any, labels: np.ndarray, epoch: int) -> Any:
        import keras

        steps = whole(len(labels), epoch)

        class Batches(keras.utils.PyDataset):
            def __len__(self) -> int:
                return len(steps)

            def __getitem__(self, step: int) -> Any:
                return pixels[steps[step]], labels[steps[step]]

        return Batches(workers=workers, use_multiprocessing=processes)

    return make


def in_memory(pixels: Any, labels: np.ndarray, epoch: int) -> Any:
    """All pixels as a constant of the graph's own, shuffled by tf.data."""
    import tensorflow as tf

    rows = tf.data.Dataset.from_tensor_slices((pixels[:], labels)).shuffle(len(labels), seed=epoch)
    return rows.batch(BATCH, drop_remainder=True).prefetch(2)


def files_in_graph(pixels: Any, labels: np.ndarray, epoch: int) -> Any:
    """Decoded and resized by TensorFlow's own operations, image by image."""
    import tensorflow as tf

    paths = [str(pixels._root / path) for path, _ in pixels._files]

    def load(path: Any, label: Any) -> Any:
        image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        image = tf.image.resize(image, pixels.shape[1:3], method="bicubic", antialias=True)
        image.set_shape(pixels.shape[1:])
        return tf.cast(image, tf.uint8), label

    rows = tf.data.Dataset.from_tensor_slices((paths, labels)).shuffle(len(labels), seed=epoch)
    rows = rows.map(load, num_parallel_calls=tf.data.AUTOTUNE)
    return rows.batch(BATCH, drop_remainder=True).prefetch(2)


FEEDS: dict[str, tuple[str, Callable[[Any, np.ndarray, int], Any]]] = {  # title -> kind of store, feed
    CHOSEN: ("raw", training),
    "chosen, decoded from the files": ("files", training),
    "generator of whole batches": ("raw", generator),
    "tf.data from_generator": ("raw", from_generator),
    "PyDataset, 1 worker": ("raw", py_dataset(1, processes=False)),
    "PyDataset, 2 threads": ("raw", py_dataset(2, processes=False)),
    "PyDataset, 2 processes": ("raw", py_dataset(2, processes=True)),
    "tf.data, all in memory": ("raw", in_memory),
    "fit(array in memory)": ("raw", lambda pixels, labels, epoch: (pixels[:], labels)),
    "tf.data decodes the files": ("files", files_in_graph),
}


def one(feed: str, work: Path) -> dict[str, float]:
    """The measured process."""
    import keras

    from automl.data.store import open_pixels

    keras.utils.set_random_seed(SEED)
    if feed == WAITING:
        return waiting(open_pixels(work / "raw" / f"pixels-{WAITING_PX}"))
    kind, make = FEEDS[feed]
    pixels = open_pixels(work / kind / f"pixels-{SIZE_PX}")
    labels = np.arange(len(pixels)) % 2

    class Nothing(keras.layers.Layer):
        def call(self, images: Any) -> Any:
            return keras.ops.cast(images[:, 0, 0, :1], "float32")

    inputs = keras.Input(pixels.shape[1:], dtype="uint8")
    model = keras.Model(inputs, keras.layers.Dense(1)(Nothing()(inputs)))
    model.compile("sgd", "mse", jit_compile=False)
    model.train_on_batch(np.zeros((BATCH, *pixels.shape[1:]), np.uint8), np.zeros(BATCH, np.int64))
    memory = Memory()
    for epoch in (1, 2):
        given = make(pixels, labels, epoch)
        arrays = isinstance(given, tuple)
        cpu, wall = cpu_s(), time.perf_counter()
        model.fit(*(given if arrays else (given,)), batch_size=BATCH if arrays else None, verbose=0)
        wall, cpu = time.perf_counter() - wall, cpu_s() - cpu
    n = len(labels) if arrays else len(labels) // BATCH * BATCH
    return {"images_s": n / wall, "cpu_ms": 1e3 * cpu / n, **memory.most()}


def waiting(pixels: Any) -> dict[str, float]:
    """Seconds in which a training of MobileNetV2 works, and in which it waits for its next batch."""
    import keras

    net = keras.applications.MobileNetV2((WAITING_PX, WAITING_PX, 3), weights=None, classes=2)
    inputs = keras.Input((WAITING_PX, WAITING_PX, 3), dtype="uint8")
    model = keras.Model(inputs, net(keras.layers.Rescaling(1 / 127.5, -1)(inputs)))
    model.compile("adamw", "sparse_categorical_crossentropy", jit_compile=False)
    feed = iter(training(pixels, np.arange(len(pixels)) % 2, 1).repeat())
    model.train_on_batch(*next(feed))  # compiles
    waited = worked = 0.0
    for _ in range(WAITING_STEPS):
        began = time.perf_counter()
        batch = next(feed)
        at_hand = time.perf_counter()
        model.train_on_batch(*batch)
        waited, worked = waited + at_hand - began, worked + time.perf_counter() - at_hand
    return {"waited_s": waited, "worked_s": worked, "images_s": BATCH * WAITING_STEPS / (waited + worked)}


class Memory:
    """Watches this process and its children from now on."""

    def __init__(self) -> None:
        self._bare = self._most = resident_mb()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            self._most = tuple(map(max, self._most, resident_mb()))
            time.sleep(0.02)

    def most(self) -> dict[str, float]:
        own, mapped = (most - bare for most, bare in zip(self._most, self._bare, strict=True))
        return {"own_mb": own, "with_mapped_mb": mapped}


def resident_mb() -> tuple[float, ...]:
    """Pages of its own (anonymous), and all resident ones; of children their own alone."""
    import psutil

    me = psutil.Process()
    facts = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    own, every = (float(facts[name].split()[0]) / 1024 for name in ("RssAnon", "VmRSS"))
    below = sum(child.memory_full_info().uss for child in me.children(recursive=True)) / 2**20
    return own + below, every + below


def cpu_s() -> float:
    """Of this process and its ended children."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def tell(key: dict[str, Any]) -> None:
    """A line a feed: medians over the turns; rates beside the chosen one's."""
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()]
    rows = [row for row in rows if all(row[name] == value for name, value in key.items())]
    click.echo(
        "| feed | turns | images/s | / chosen | CPU ms an image | MB of its own | MB with mapped files |\n"
        + "|" + " --- |" * 7
    )  # fmt: skip
    chosen = median(row["images_s"] for row in rows if row["feed"] == CHOSEN)
    for feed in FEEDS:
        own = [row for row in rows if row["feed"] == feed]
        rate, cpu, mine, mapped = (
            median(row[name] for row in own) for name in ("images_s", "cpu_ms", "own_mb", "with_mapped_mb")
        )
        told = f"{rate:,.0f} | {rate / chosen:.2f} | {cpu:.3f} | {mine:.0f} | {mapped:.0f}"
        click.echo(f"| {feed} | {len(own)} | {told} |")
    shares = [row["waited_s"] / (row["waited_s"] + row["worked_s"]) for row in rows if row["feed"] == WAITING]
    click.echo(
        f"\nMobileNetV2 at {WAITING_PX} px waits {100 * median(shares):.2f} % of its time for the next batch "
        f"({100 * min(shares):.2f} to {100 * max(shares):.2f} %, {len(shares)} turns)."
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(one(sys.argv[2], Path(sys.argv[3]))))
    else:
        main()
