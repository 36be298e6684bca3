"""Runs ONNX files by onnxruntime and compares with what noprop says: python check_onnx.py JOBS.json

JOBS.json is a list of `{ onnx, inputs: { name: { type, shape, values } }, noise, labels, probabilities, own }`. `own` are labels with the
file's own noise that agree with noprop's at least that often. Prints for each the greatest gap of a probability.
"""

import json
import sys

import numpy as np
import onnx
import onnxruntime

TYPES = {"uint8": np.uint8, "float": np.float32, "double": np.float64, "string": object}

for job in json.load(open(sys.argv[1])):
    model = onnx.load(job["onnx"])
    onnx.checker.check_model(model, full_check=True)
    used = {name for node in model.graph.node for name in node.input}
    unused = [tensor.name for tensor in model.graph.initializer if tensor.name not in used]
    assert not unused, f"{job['onnx']}: nothing reads {unused}"
    session = onnxruntime.InferenceSession(job["onnx"])
    feeds = {
        name: np.array(given["values"], dtype=TYPES[given["type"]]).reshape(given["shape"])
        for name, given in job["inputs"].items()
    }
    labels = np.array(job["labels"])
    # A classifier has none.
    noises = session.get_overridable_initializers()
    alone, _ = session.run(["label", "probabilities"], feeds)
    start = np.array(job["noise"], dtype=np.float32).reshape(len(labels), -1)
    feeds |= {noise.name: start for noise in noises}
    found, probabilities = session.run(["label", "probabilities"], feeds)
    gap = float(np.abs(probabilities - np.array(job["probabilities"])).max())
    # One sample alone is the same sample.
    first, _ = session.run(["label", "probabilities"], {name: value[:1] for name, value in feeds.items()})
    print(json.dumps({
        "unequal": int((found != labels).sum()), "gap": gap, "first": bool(first[0] == labels[0]),
        "own": float((alone == labels).mean()), "classes": {p.key: p.value for p in model.metadata_props}["classes"],
    }))
