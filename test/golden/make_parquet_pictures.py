"""Writes parquet-*.parquet as hubs keep sets of pictures, and parquet.json with what Pillow reads from them.

python3 -m pip install pyarrow pillow numpy; python3 test/golden/make_parquet_pictures.py
"""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

HERE = Path(__file__).parent
NAMES = ["zebra", "ant", "mule"]
PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def picture(index: int, colour: bool) -> bytes:
    """10 rows of 12 pixels, as PNG, which keeps every bit."""
    generator = np.random.default_rng(index)
    pixels = generator.integers(0, 256, (10, 12, 3) if colour else (10, 12), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write(name: str, rows: list, label_type, features, row_group: int) -> None:
    pictures, labels = [row[0] for row in rows], [row[1] for row in rows]
    table = pa.table(
        {
            "image": pa.array([{"bytes": b, "path": f"{i}.png"} for i, b in enumerate(pictures)], PICTURE),
            "label": pa.array(labels, label_type),
        }
    )
    if features:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    # Small row groups, so that there are several.
    pq.write_table(table, HERE / name, row_group_size=row_group, compression="snappy")


def values(rows: list, mode: str) -> list:
    return [list(Image.open(io.BytesIO(row[0])).convert(mode).tobytes()) for row in rows]


def main() -> None:
    features = {"image": {"_type": "Image"}, "label": {"names": NAMES, "_type": "ClassLabel"}}
    colour = [(picture(index, True), index % 3) for index in range(7)]
    write("parquet-train.parquet", colour, pa.int64(), features, 3)
    held = [(picture(100 + index, True), index % 3) for index in range(3)]
    write("parquet-test.parquet", held, pa.int64(), features, 2)
    # Without names, grey, with a picture that is none.
    plain = [(picture(200, False), 7), (b"no picture", 7), (picture(201, False), -2)]
    sound = [plain[0], plain[2]]
    write("parquet-plain.parquet", plain, pa.int32(), None, 10)
    texts = [(picture(300, False), "b"), (picture(301, False), "a")]
    write("parquet-texts.parquet", texts, pa.string(), None, 10)
    expected = {
        "train": values(colour, "RGB"),
        "trainLabels": [NAMES[label] for _, label in colour],
        "test": values(held, "RGB"),
        "testLabels": [NAMES[label] for _, label in held],
        "plain": values(sound, "L"),
        "plainLabels": [label for _, label in sound],
        "textLabels": [label for _, label in texts],
    }
    (HERE / "parquet.json").write_text(json.dumps(expected) + "\n")


main()
