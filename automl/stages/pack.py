"""pack: index the packed pixels by part."""

from __future__ import annotations

from automl.data.images import read_split
from automl.data.pack import contact_sheet, mean_and_std, rows_and_labels, write_index, write_png
from automl.data.store import open_pixels, store_name
from automl.data.weights import taught, training_weights, write_weights
from automl.records import Checked, Packed
from automl.runtime.context import StageContext
from automl.types import PARTS, Part


def run(ctx: StageContext) -> Packed:
    """Write each part's rows and labels, and look at the training part.

    Reads: check/pixels-SIZE/, split/split.csv. Writes: PART-rows.npy, PART-labels.npy, samples.png, and
    train-weights.npy where the training images do not count alike; those of weight 0 are left out of train.
    Raises: StageFailed: what check packed is missing or damaged.
    """
    checked = ctx.record(Checked)
    stores = {size: open_pixels(ctx.input("check", store_name(size))) for size in checked.sizes_px}
    assigned = taught(read_split(ctx.input("split", "split.csv")))
    per_part: dict[Part, int] = {}
    folder = ctx.output("samples.png").parent
    for part in PARTS:
        rows, labels = rows_and_labels(assigned, part, checked.classes)
        write_index(folder, part, rows, labels)
        per_part[part] = len(rows)
    write_weights(folder, training_weights(assigned))
    rows, labels = rows_and_labels(assigned, "train", checked.classes)
    largest = stores[max(stores)]
    mean, std = mean_and_std(largest, rows)
    write_png(ctx.output("samples.png"), contact_sheet(largest, rows, labels, len(checked.classes), ctx.recipe.seed))
    return Packed(
        sizes_px=checked.sizes_px,
        per_part=per_part,
        map_bytes=sum(pixels.nbytes for pixels in stores.values()),
        mean=mean,
        std=std,
    )
