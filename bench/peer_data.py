"""Reads data as Python's programs do, and prints how fast, as JSON. A peer of `npm run bench:peers`; it needs pandas, Pillow and pyvips, each for its rows.

peer_data.py csv FILE            pandas' C reader, then standardised float32 samples, as noprop makes them
peer_data.py csv-read FILE       pandas' C reader alone
peer_data.py jpeg FOLDER THREADS Pillow: decoded, cut to a square and resized to 64 x 64, as noprop does it
peer_data.py vips FOLDER THREADS libvips: the same by its thumbnail, which decodes no more than it needs
peer_data.py make-jpeg FOLDER N  writes N JPEG files of 256 x 256 pixels into folders of two classes
"""

import json
import os
import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def csv(path: str, samples: bool) -> float:
    import pandas

    start = time.perf_counter()
    table = pandas.read_csv(path, engine="c")
    if samples:
        labels = table.pop("label").to_numpy()
        values = table.to_numpy()
        values = ((values - values.mean(axis=0)) / values.std(axis=0)).astype("float32")
        assert len(values) == len(labels)
    return len(table) / (time.perf_counter() - start)


def jpeg(folder: str, threads: int) -> float:
    from PIL import Image, ImageOps

    def read(path: Path) -> bytes:
        with Image.open(path) as image:
            return ImageOps.fit(ImageOps.exif_transpose(image), (64, 64), Image.Resampling.BILINEAR).tobytes()

    return read_all(folder, threads, read)


def vips(folder: str, threads: int) -> float:
    # A picture at a time on each thread, which is faster here than all threads on one.
    os.environ["VIPS_CONCURRENCY"] = "1"
    import pyvips

    # Each file is read once.
    pyvips.cache_set_max(0)

    def read(path: Path) -> bytes:
        return pyvips.Image.thumbnail(str(path), 64, height=64, crop="centre").write_to_memory()

    return read_all(folder, threads, read)


def read_all(folder: str, threads: int, read: Callable[[Path], bytes]) -> float:
    start = time.perf_counter()
    paths = sorted(Path(folder).glob("*/*.jpg"))
    with ThreadPoolExecutor(threads) as pool:
        samples = list(pool.map(read, paths, chunksize=64))
    assert all(len(sample) == 64 * 64 * 3 for sample in samples)
    return len(samples) / (time.perf_counter() - start)


def make_jpeg(folder: str, count: int) -> None:
    from PIL import Image

    for kind in range(2):
        (Path(folder) / str(kind)).mkdir(parents=True, exist_ok=True)
    for index in range(count):
        chance = random.Random(index)
        # Large patches with some noise, so that they compress as photos do.
        coarse = Image.frombytes("RGB", (16, 16), chance.randbytes(768)).resize((256, 256), Image.Resampling.BICUBIC)
        noise = Image.frombytes("RGB", (256, 256), chance.randbytes(196608))
        path = Path(folder) / str(index % 2) / f"{index:05}.jpg"
        Image.blend(coarse, noise, 0.06).save(path, quality=87)


def main() -> None:
    mode, path = sys.argv[1], sys.argv[2]
    if mode == "make-jpeg":
        make_jpeg(path, int(sys.argv[3]))
        return
    pictures = {"jpeg": jpeg, "vips": vips}.get(mode)
    speed = pictures(path, int(sys.argv[3])) if pictures else csv(path, mode == "csv")
    print(json.dumps({"per_second": speed}))


main()
