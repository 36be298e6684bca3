"""Prints what TensorBoard's own reader finds below a directory, as JSON: {run: {tag: [[step, value], …]}}.

    /tmp/tb/bin/python test/golden/read_tensorboard.py DIR
"""

import json
import pathlib
import sys

from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.util import tensor_util

found = {}
for path in sorted(pathlib.Path(sys.argv[1]).rglob("events.out.tfevents.*")):
    run = found.setdefault(str(path.parent.relative_to(sys.argv[1])), {})
    for event in EventFileLoader(str(path)).Load():
        for value in event.summary.value:
            # The loader turns simple values into tensors.
            number = tensor_util.make_ndarray(value.tensor).item()
            run.setdefault(value.tag, []).append([event.step, number])
print(json.dumps(found))
