"""Runs the ONNX files of `onnx/` by onnxruntime and compares with the predictions beside them.

    pip install onnx onnxruntime numpy
    python check_onnx.py

The files and predictions are written by `NOPROP_UPDATE=1 cargo test -p noprop-core --lib model::onnx`.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(uint8)": np.uint8, "tensor(string)": object}
# Sums in another order, in single precision.
TOLERANCE = 1e-5

for path in sorted((Path(__file__).parent / "onnx").glob("*.onnx")):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    expected = json.loads(path.with_suffix(".json").read_text())
    labels = np.array(expected["label"])
    session = onnxruntime.InferenceSession(path)
    feeds = {}
    for port in session.get_inputs():
        values = np.array(expected["inputs"][port.name], dtype=TYPES[port.type])
        feeds[port.name] = values.reshape(len(labels), *port.shape[1:])
    [noise] = session.get_overridable_initializers()
    # Without noise of the caller's the file's own is taken.
    session.run(None, feeds)
    feeds[noise.name] = np.array(expected["noise"], dtype=np.float32).reshape(len(labels), -1)
    found, probabilities = session.run(["label", "probabilities"], feeds)
    gap = np.abs(probabilities.ravel() - np.array(expected["probabilities"])).max()
    assert (found == labels).all(), f"{path.name}: labels {found}, not {labels}"
    assert gap < TOLERANCE, f"{path.name}: probabilities differ by {gap}"
    print(f"{path.name}: {len(model.graph.node)} nodes, probabilities within {gap:.1e}")
