"""Measures the same model by onnxruntime, without any server: python onnxruntime_load.py digits.onnx [seconds, 5]

One sample at a time, and 64 at a time, which is what 64 connections bring together at most.
"""

import sys
import time

import numpy as np
import onnxruntime

path, seconds = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 5
session = onnxruntime.InferenceSession(path)
[port] = session.get_inputs()
shape, kind = port.shape[1:], np.uint8 if port.type == "tensor(uint8)" else np.float32
for samples in (1, 64):
    x = np.random.default_rng(0).integers(0, 256, (samples, *shape)).astype(kind)
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        session.run(None, {port.name: x})
        times.append(1000 * (time.perf_counter() - started))
    p50, p99 = np.percentile(times, [50, 99])
    print(f"{samples} samples a call: {samples * len(times) / seconds:.0f} samples/s, p50 {p50:.2f} ms, p99 {p99:.2f} ms")
