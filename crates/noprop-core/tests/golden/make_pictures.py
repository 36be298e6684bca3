"""Odd pictures, and what Pillow reads from them: files in pictures/ and their samples in pictures/expected.json.

    pip install numpy==2.4.6 pillow==13.0.0
    python make_pictures.py
"""

import json
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageOps

here = Path(__file__).parent / "pictures"
here.mkdir(exist_ok=True)
expected = {}


def pattern(height, width, channels, seed):
    """Waves and some noise: something that compresses, but not to nothing."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 90 * np.sin(x * rng.uniform(0.1, 0.4) + y * rng.uniform(0.1, 0.4) + k) for k in range(channels)]
    values = np.stack(planes, -1) + rng.normal(0, 6, (height, width, channels))
    return np.clip(values.round(), 0, 255).astype(np.uint8)


def over_black(image):
    image = ImageOps.exif_transpose(image)
    if image.mode == "I;16":
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba).convert("RGB")
    return image.convert("RGB")


def add(name, tolerance, sizes=False):
    """`sizes`: also as samples of other sizes."""
    image = over_black(Image.open(here / name))
    cases = [("stretch", image)]
    if sizes:
        for size in ((10, 14), (20, 8), (64, 64)):
            cases += [
                ("cover", ImageOps.fit(image, size, Image.Resampling.BILINEAR)),
                ("contain", ImageOps.pad(image, size, Image.Resampling.BILINEAR, color=(0, 0, 0))),
                ("stretch", image.resize(size, Image.Resampling.BILINEAR)),
            ]
    samples = [
        {"fit": fit, "shape": [case.height, case.width], "rgb": case.tobytes().hex(), "grey": case.convert("L").tobytes().hex()}
        for fit, case in cases
    ]
    expected[name] = {"tolerance": tolerance, "samples": samples}


rgb = Image.fromarray(pattern(22, 31, 3, 1))
rgb.save(here / "plain.png")
add("plain.png", 0, sizes=True)
rgb.save(here / "plain.bmp")
add("plain.bmp", 0)
rgb.save(here / "lossless.webp", lossless=True)
add("lossless.webp", 0)
# Decoders of lossy formats may differ by their transforms, and in how colours of half resolution are spread.
rgb.save(here / "plain.jpg", quality=90, subsampling=0)
add("plain.jpg", 3)
rgb.save(here / "progressive.jpg", quality=90, subsampling=0, progressive=True)
add("progressive.jpg", 3)
rgb.save(here / "lossy.webp", quality=90)
add("lossy.webp", 3)
Image.fromarray(pattern(22, 31, 1, 2)[..., 0]).save(here / "grey.jpg", quality=90)
add("grey.jpg", 3)
Image.fromarray(pattern(22, 31, 4, 3), "CMYK").save(here / "cmyk.jpg", quality=95, subsampling=0)
add("cmyk.jpg", 4)
# Alpha of every strength; colours under it are laid over black.
Image.fromarray(pattern(22, 31, 4, 4), "RGBA").save(here / "alpha.png")
add("alpha.png", 1)
Image.fromarray(pattern(22, 31, 2, 5), "LA").save(here / "grey-alpha.png")
add("grey-alpha.png", 1)
Image.fromarray(pattern(22, 31, 4, 6), "RGBA").save(here / "alpha.webp", lossless=True, exact=True)
add("alpha.webp", 1)
grey16 = (pattern(22, 31, 1, 7)[..., 0].astype(np.uint16) << 8) + np.arange(31, dtype=np.uint16) * 8
Image.fromarray(grey16).save(here / "grey16.png")
add("grey16.png", 0)
palette = rgb.quantize(16)
palette.save(here / "palette.png", transparency=3)
add("palette.png", 0)
palette.save(here / "palette.bmp")
add("palette.bmp", 0)
Image.fromarray(pattern(22, 31, 1, 8)[..., 0]).convert("1").save(here / "bits.png")
add("bits.png", 0)
# Two frames: the first counts.
rgb.quantize(32).save(here / "frames.gif", save_all=True, append_images=[rgb.rotate(180).quantize(32)], duration=10)
add("frames.gif", 0)
for orientation in range(2, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    rgb.save(here / f"turned-{orientation}.jpg", quality=90, subsampling=0, exif=exif)
    add(f"turned-{orientation}.jpg", 3)

text = json.dumps({"program": f"Pillow {PIL.__version__}", "pictures": expected})
(here / "expected.json").write_text(text + "\n")
