"""Makes metrics.json: what scikit-learn says of probabilities that are given.

    python -m venv /tmp/metrics && /tmp/metrics/bin/pip install scikit-learn
    /tmp/metrics/bin/python crates/noprop-core/tests/golden/make_metrics.py
"""

import json
import pathlib

import numpy as np
import sklearn
from sklearn import metrics
from sklearn.calibration import calibration_curve

CLASSES, SAMPLES, BINS = 6, 90, 15

rng = np.random.default_rng(3)
# Class 4 is never predicted, class 5 neither occurs nor is predicted.
targets = rng.integers(0, 5, SAMPLES)
states = rng.normal(0, 0.35, (SAMPLES, CLASSES))
states[np.arange(SAMPLES), targets] += 0.5
states[:, 4] -= 2
states[:, 5] -= 3
states = states.astype(np.float32)


def project(row):
    """The nearest point of the simplex, by sorting (Held, Wolfe & Crowder 1974)."""
    u = np.sort(row.astype(np.float64))[::-1]
    excess = (np.cumsum(u) - 1) / np.arange(1, len(u) + 1)
    return np.maximum(row - excess[np.nonzero(u > excess)[0][-1]], 0)


probabilities = np.array([project(row) for row in states]).astype(np.float32)
predicted = states.argmax(1)
right = predicted == targets
confidence = probabilities.max(1).astype(np.float64)
labels = list(range(CLASSES))

precision, recall, f1, support = metrics.precision_recall_fscore_support(
    targets, predicted, labels=labels, zero_division=0
)


def average(kind):
    return list(metrics.precision_recall_fscore_support(targets, predicted, average=kind, zero_division=0)[:3])


accuracy, mean_confidence = calibration_curve(right, confidence, n_bins=BINS)
counts = np.histogram(np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], confidence), bins=range(BINS + 1))[0]
gaps = np.abs(accuracy - mean_confidence)
loss = ((probabilities.astype(np.float64) - np.eye(CLASSES)[targets]) ** 2).sum(1)

golden = {
    "made_by": f"make_metrics.py, scikit-learn {sklearn.__version__}, NumPy {np.__version__}",
    "targets": targets.tolist(),
    "states": states.astype(np.float64).tolist(),
    "probabilities": probabilities.astype(np.float64).tolist(),
    "logLoss": metrics.log_loss(targets, probabilities, labels=labels),
    "topKAccuracy": [metrics.top_k_accuracy_score(targets, states, k=k, labels=labels) for k in range(1, CLASSES)] + [1.0],
    "balancedAccuracy": metrics.balanced_accuracy_score(targets, predicted),
    "precision": precision.tolist(),
    "recall": recall.tolist(),
    "f1": f1.tolist(),
    "support": support.tolist(),
    "macro": average("macro"),
    "weighted": average("weighted"),
    "bins": {"samples": counts.tolist(), "accuracy": accuracy.tolist(), "confidence": mean_confidence.tolist()},
    "ece": float((gaps * counts[counts > 0]).sum() / SAMPLES),
    "mce": float(gaps.max()),
    "loss": float(loss.mean()),
    "worst": np.argsort(-loss, kind="stable")[:20].tolist(),
}
path = pathlib.Path(__file__).with_name("metrics.json")
path.write_text(json.dumps(golden) + "\n")
