"""Makes tensorboard.json: records as TensorBoard's own classes write them.

    python -m venv /tmp/tb && /tmp/tb/bin/pip install tensorboard
    /tmp/tb/bin/python test/golden/make_tensorboard.py
"""

import importlib.metadata
import io
import json
import pathlib

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter


class Kept(io.BytesIO):
    def close(self):
        pass


def record(event):
    file = Kept()
    RecordWriter(file).write(event.SerializeToString())
    return file.getvalue().hex()


cases = [
    {"wallTime": 1700000000.25, "step": 0, "scalars": {"loss": 0.5}},
    {"wallTime": 1.5, "step": 300, "scalars": {"loss": 0.1, "validation_loss": 1e-9, "validation_accuracy": 1.0}},
    {"wallTime": 1764339000.125, "step": 1000000, "scalars": {"größe" * 40: -3.25}},
]
for case in cases:
    values = [Summary.Value(tag=tag, simple_value=value) for tag, value in case["scalars"].items()]
    case["record"] = record(Event(wall_time=case["wallTime"], step=case["step"], summary=Summary(value=values)))
golden = {
    "made_by": f"make_tensorboard.py, tensorboard {importlib.metadata.version('tensorboard')}",
    "version": {"wallTime": 1.5, "record": record(Event(wall_time=1.5, file_version="brain.Event:2"))},
    "cases": cases,
}
path = pathlib.Path(__file__).with_name("tensorboard.json")
path.write_text(json.dumps(golden, indent=2, ensure_ascii=False) + "\n")
