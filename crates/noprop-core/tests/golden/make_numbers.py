"""Makes numbers.json: what scikit-learn says of numbers that are predicted.

    python -m venv /tmp/metrics && /tmp/metrics/bin/pip install scikit-learn
    /tmp/metrics/bin/python crates/noprop-core/tests/golden/make_numbers.py
"""

import json
import pathlib

import numpy as np
import sklearn
from sklearn import metrics

SAMPLES = 70

rng = np.random.default_rng(8)
# Three targets: small, large, and one that never changes.
truth = np.stack([rng.normal(0.2, 0.01, SAMPLES), rng.normal(-3e5, 4e4, SAMPLES), np.full(SAMPLES, 2.5)], 1)
predicted = truth + rng.normal(0, [0.004, 3e4, 0.1], truth.shape)
truth, predicted = truth.astype(np.float32), predicted.astype(np.float32)
wide = (truth.astype(np.float64), predicted.astype(np.float64))

golden = {
    "made_by": f"scikit-learn {sklearn.__version__}",
    "truth": truth.astype(float).tolist(),
    "predicted": predicted.astype(float).tolist(),
    "mse": metrics.mean_squared_error(*wide, multioutput="raw_values").tolist(),
    "rmse": metrics.root_mean_squared_error(*wide, multioutput="raw_values").tolist(),
    "mae": metrics.mean_absolute_error(*wide, multioutput="raw_values").tolist(),
    "r2": metrics.r2_score(*wide, multioutput="raw_values").tolist(),
    "mean_r2": metrics.r2_score(*wide),
}
pathlib.Path(__file__).with_name("numbers.json").write_text(json.dumps(golden) + "\n")
