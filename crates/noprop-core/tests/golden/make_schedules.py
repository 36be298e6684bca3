#!/usr/bin/env python3
"""Golden schedule values in 50-digit arithmetic (mpmath): alpha_bar, SNR and the posterior coefficients (paper, Eq. 3 and 6).
python3 make_schedules.py > schedules.json"""
import json
from mpmath import mp, mpf, cos, pi, sqrt
mp.dps = 50


def row(name, T, ab, **extra):
    out = dict(name=name, T=T, alpha_bar=[float(v) for v in ab], snr=[None if v == 1 else float(v / (1 - v)) for v in ab], a=[], b=[], c=[], **extra)
    for t in range(1, T + 1):
        al = ab[t - 1] / ab[t]
        den = 1 - ab[t - 1]
        out["a"].append(float(sqrt(ab[t]) * (1 - al) / den))
        out["b"].append(float(sqrt(al) * (1 - ab[t]) / den))
        out["c"].append(float((1 - ab[t]) * (1 - al) / den))
    return out


def cosine(T, lo=mpf("1e-4"), hi=1 - mpf("1e-3")):
    return [min(max(cos(pi / 2 * mpf(T - t) / T) ** 2, lo), hi) for t in range(T + 1)]


def linear(T, start=mpf(1), end=mpf("0.1")):
    """The original sketch's linspace(start, end, T), cumulated from the clean end; index T is the clean label."""
    per = [start + (end - start) * mpf(s) / (T - 1) for s in range(T)]
    ab, acc = [mpf(1)], mpf(1)
    for a in per:
        acc *= a
        ab.append(acc)
    return ab[::-1]


rows = [row("cosine", T, cosine(T), clamp=[1e-4, 1 - 1e-3]) for T in (1, 2, 10, 100)]
# start < 1 keeps every SNR finite; start = 1 makes alpha_bar of the two last indices equal to 1 (the original sketch's own table)
rows += [row("linear", T, linear(T, mpf("0.99"), mpf("0.1")), start=0.99, end=0.1) for T in (2, 10, 50)]
rows.append(dict(name="linear", T=10, start=1.0, end=0.1, alpha_bar=[float(v) for v in linear(10)]))
print(json.dumps(rows))
