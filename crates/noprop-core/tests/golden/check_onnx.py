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
    session = onnxruntime.InferenceSession(path)
    # A classifier has no noise.
    noises = session.get_overridable_initializers()
    assert len(noises) == (path.name != "classifier.onnx"), f"{path.name}: {len(noises)} inputs of noise"
    width = session.get_outputs()[-1].shape[1] if not noises else noises[0].shape[1]
    start = np.array(expected["noise"], dtype=np.float32).reshape(-1, width)
    feeds = {}
    for port in session.get_inputs():
        values = np.array(expected["inputs"][port.name], dtype=TYPES[port.type])
        feeds[port.name] = values.reshape(len(start), *port.shape[1:])
    # Without noise of the caller's the file's own is taken.
    session.run(None, feeds)
    feeds |= {noise.name: start for noise in noises}
    found = {port.name: value for port, value in zip(session.get_outputs(), session.run(None, feeds))}
    # A model of numbers has these alone.
    name = "values" if "values" in expected else "probabilities"
    wanted = np.array(expected[name])
    gap = (np.abs(found[name].ravel() - wanted) / np.maximum(1, np.abs(wanted))).max()
    assert gap < TOLERANCE, f"{path.name}: {name} differ by {gap}"
    if name == "probabilities":
        labels = np.array(expected["label"])
        assert (found["label"] == labels).all(), f"{path.name}: labels {found['label']}, not {labels}"
    print(f"{path.name}: {len(model.graph.node)} nodes, {name} within {gap:.1e}")
