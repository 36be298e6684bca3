"""Compares a preset in PyTorch with what noprop says of the same samples.

    python check.py MODEL.safetensors EXPECTED.json [COPY.safetensors]

EXPECTED.json has `x` (values in 0..1, `[samples, …]`), `start` (z_0) and `states` (z_1 … z_T), as `model.predict(x, { states: true })` gives
them. With COPY the weights are written back to a file of noprop.
"""

import importlib
import json
import sys

import torch
import weights

path, expected = sys.argv[1], json.load(open(sys.argv[2]))
config, tensors, metadata = weights.read(path)
preset = importlib.import_module(config["net"]["type"])
blocks = [weights.load(preset.Block(config), tensors, t) for t in range(1, config["blocks"] + 1)]
x = torch.tensor(expected["x"]).reshape(-1, *config["input"])
found = weights.states(blocks, config, x, torch.tensor(expected["start"]))
gap = max((z - torch.tensor(known)).abs().max().item() for z, known in zip(found, expected["states"], strict=True))
if len(sys.argv) > 3:
    weights.save(blocks, metadata, sys.argv[3])
print(json.dumps({"gap": gap, "samples": len(x), "preset": config["net"]["type"]}))
