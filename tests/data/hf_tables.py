"""Datasets as the Hugging Face Hub has them, made by the tests."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

from PIL import Image as PillowImage


def encoded(number: int, kind: str) -> bytes:
    file = BytesIO()
    PillowImage.new("RGB", (6, 5), (number, 80, 0)).save(file, kind)
    return file.getvalue()


def write_table(path: Path, images: list[dict[str, object]], labels: list[int]) -> None:
    """A Parquet file as the Hub has them: images by their bytes, and classes by their names."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    ids = pa.array([f"id {number}" for number in range(len(images))])
    table = pa.table({"picture": pa.array(images, kind), "animal": pa.array(labels, pa.int64()), "id": ids})
    features = {
        "picture": {"_type": "Image"},
        "animal": {"names": ["cat", "dog"], "_type": "ClassLabel"},
        "id": {"dtype": "string", "_type": "Value"},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})}), path)
