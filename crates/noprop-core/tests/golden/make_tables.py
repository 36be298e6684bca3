"""Odd tables, and what pandas and NumPy read from them: files in tables/ and their samples in tables/expected.json.

    pip install numpy==2.4.6 pandas==3.1.1
    python make_tables.py
"""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd

here = Path(__file__).parent / "tables"
here.mkdir(exist_ok=True)
expected = {}


def encode(frame, label, texts=()):
    """Standardised numbers (missing: the mean) and one-hot texts (missing: none), column after column."""
    parts, names = [], []
    for name in frame.columns:
        if name == label:
            continue
        column = frame[name]
        if str(name) in texts or not pd.api.types.is_numeric_dtype(column):
            column = column.astype("string")
            for value in sorted(column.dropna().unique(), key=lambda text: text.encode()):
                parts.append((column == value).fillna(False).astype(float).to_numpy())
        else:
            mean, std = column.mean(), column.std(ddof=0)
            std = std if std > 0 else 1.0
            parts.append(((column - mean) / std).fillna(0).to_numpy())
        names.append(str(name))
    return np.stack(parts, 1).astype(np.float32), names


def add(file, frame, label, texts=(), options=None):
    frame.columns = [str(name) for name in frame.columns]
    samples, names = encode(frame, label, texts)
    labels = None if label is None else frame[label].tolist()
    expected[file] = {
        "options": {**({} if label is None else {"label": label}), **(options or {})},
        "columns": names,
        "labels": labels,
        "samples": [[float(value) for value in row] for row in samples],
    }


def write(file, text, encoding="utf-8"):
    (here / file).write_bytes(text.encode(encoding))
    return here / file


# A byte-order mark, CRLF, quotes, quotes within quotes, a line break and a separator in a cell, blanks, missing values.
path = write(
    "quotes.csv",
    '\ufeff"height","colour","note, long",kind\r\n'
    '1.5,red,"say ""yes""",Cat\r\n'
    "NA,blue,plain,dog\r\n"
    '-2e1,,"two\nlines",Cat\r\n'
    "+.5,red,,dog\r\n"
    '"7","gr\u00fcn, hell",plain,Cat\r\n',
)
add("quotes.csv", pd.read_csv(path, encoding="utf-8-sig"), "kind")

# Semicolons, decimal commas, points that group thousands: a spreadsheet in German.
path = write("german.csv", "Preis;Menge;Ort;Klasse\n1.234,50;3;Köln;2\n0,75;;Bonn;1\n12,00;10;Köln;2\n1.000;7;;1\n")
add("german.csv", pd.read_csv(path, sep=";", decimal=",", thousands="."), "Klasse")

# Tabs, no header, labels with gaps and below 0, an empty last column.
path = write("bare.tsv", "1\t0.1\t-3\n2\t0.2\t40\n3\t0.4\t-3\n4\t0.8\t7\n")
add("bare.tsv", pd.read_csv(path, sep="\t", header=None), "2")

# Excel's Unicode text.
path = write("excel.txt", "Größe\tArt\r\n1\tA\r\n2\tB\r\n4\tA\r\n", "utf-16")
add("excel.txt", pd.read_csv(path, sep="\t", encoding="utf-16"), "Art")

# Excel's first line, bars, a column of one value, one without any.
path = write("stated.csv", "sep=|\r\na|b|c|y\r\n1|5||x\r\n2|5||z\r\n3|5||x\r\n")
frame = pd.read_csv(path, sep="|", skiprows=1)
add("stated.csv", frame.drop(columns="c"), "y")

# The row numbers that pandas writes are no feature.
frame = pd.DataFrame({"a": [3.5, 1.25, -2.0, 8.0], "y": ["u", "v", "u", "v"]})
frame.to_csv(here / "index.csv")
add("index.csv", frame, "y")

# Numbers that are categories, and a column to leave out.
path = write("codes.csv", "id,postcode,x,y\n9,10115,1,a\n8,50667,2,b\n7,10115,6,a\n")
add("codes.csv", pd.read_csv(path).drop(columns="id"), "y", {"postcode"}, {"ignore": ["id"], "categories": ["postcode"]})

# Gzipped, with long numbers, more rows than one read.
rng = np.random.default_rng(5)
frame = pd.DataFrame(rng.normal([0, 1e6, -3], [1, 1e-3, 1e9], (300, 3)), columns=["a", "b", "c"])
frame["y"] = rng.integers(0, 3, 300)
with gzip.GzipFile(here / "long.csv.gz", "wb", mtime=0) as file:
    file.write(frame.to_csv(index=False).encode())
add("long.csv.gz", pd.read_csv(here / "long.csv.gz"), "y")

# One object a line: names in another order, missing ones, null, booleans, numbers as texts stay what they are.
path = write(
    "rows.ndjson",
    '{"a":1,"b":true,"y":"p"}\n{"y":"q","b":false,"a":null}\n{"a":2.5,"y":"p"}\n{"a":-1e3,"b":true,"y":"q"}\n',
)
frame = pd.read_json(path, lines=True, dtype={"b": object})
frame["b"] = frame["b"].map({True: "true", False: "false", 1.0: "true", 0.0: "false"})
add("rows.ndjson", frame[["a", "b", "y"]], "y")

# Arrays: column-major, big-endian halves, not-a-number as missing.
array = np.asfortranarray(np.array([[1, 2, 0], [np.nan, 4, 1], [5, 7.5, 0]], ">f2"))
np.save(here / "halves.npy", array)
add("halves.npy", pd.DataFrame(np.load(here / "halves.npy").astype(float)), "2")
x = np.arange(24, dtype=np.int32).reshape(4, 6) ** 2
np.savez_compressed(here / "vectors.npz", X_other=x, x=x, y=np.array(["b", "a", "b", "ünï"]))
frame = pd.DataFrame(x)
frame["y"] = ["b", "a", "b", "ünï"]
add("vectors.npz", frame, "y", options={"label": "y"})

for file, entry in expected.items():
    if entry["labels"] is not None and file in ("bare.tsv", "german.csv", "long.csv.gz", "halves.npy"):
        entry["labels"] = [int(label) for label in entry["labels"]]

text = json.dumps({"program": f"pandas {pd.__version__}, NumPy {np.__version__}", "tables": expected}, ensure_ascii=False)
(here / "expected.json").write_text(text + "\n")

# The table of quotes.csv as Parquet with types of its own: 64-bit integers, dates, booleans, missing values, dictionaries.
frame = pd.DataFrame(
    {
        "height": [1.5, None, -20.0, 0.5, 7.0],
        "count": pd.array([2**40, 1, 2, None, 4], "Int64"),
        "sunny": [True, False, None, True, True],
        "colour": pd.Categorical(["red", "blue", None, "red", "grün, hell"]),
        "day": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-01", "2024-01-02", "2024-01-02"]),
        "kind": ["Cat", "dog", "Cat", "dog", "Cat"],
    }
)
frame.to_parquet(here / "typed.parquet", index=False)
frame = pd.read_parquet(here / "typed.parquet")
frame["sunny"] = frame["sunny"].map({True: "true", False: "false"})
frame["day"] = frame["day"].dt.strftime("%Y-%m-%dT%H:%M:%S.000Z")
expected.clear()
add("typed.parquet", frame, "kind")
(here / "typed.json").write_text(json.dumps({"program": f"pandas {pd.__version__}", **expected["typed.parquet"]}) + "\n")
