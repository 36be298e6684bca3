//! Odd tables against what pandas and NumPy read from them (`golden/make_tables.py`).

use std::path::{Path, PathBuf};

use noprop_core::Code;
use noprop_core::data::preprocessing::Preprocessing;
use noprop_core::data::{Dataset, TableOptions, TableSource, load_table};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tables")
}

fn source(name: &str) -> TableSource {
    TableSource::File(folder().join(name))
}

/// Labels as JSON: numbers or names.
fn labels(data: &Dataset) -> Value {
    let Some(labels) = data.labels() else { return Value::Null };
    match data.classes().names() {
        Some(names) => labels.iter().map(|label| names[*label as usize].clone()).collect(),
        None => labels.iter().copied().collect(),
    }
}

#[test]
fn odd_tables_are_read_as_by_pandas_and_numpy() {
    let text = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let tables = expected["tables"].as_object().unwrap();
    assert_eq!(tables.len(), 11);
    for (name, expected) in tables {
        let options: TableOptions = serde_json::from_value(expected["options"].clone()).unwrap();
        let data = load_table(&source(name), None, &options).unwrap_or_else(|error| panic!("{name}: {error}")).train;
        assert_eq!(labels(&data), expected["labels"], "{name}");
        let Some(Preprocessing::Table(steps)) = data.preprocessing() else { panic!("{name}") };
        let columns: Vec<_> = steps.columns.iter().map(|column| column.name()).collect();
        assert_eq!(serde_json::json!(columns), expected["columns"], "{name}");
        let rows = expected["samples"].as_array().unwrap();
        assert_eq!(data.samples(), rows.len(), "{name}");
        for (row, values) in rows.iter().enumerate() {
            let values: Vec<f64> = values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
            let sample = data.sample(row).unwrap();
            assert_eq!(sample.len(), values.len(), "{name}");
            for (at, (value, expected)) in sample.iter().zip(&values).enumerate() {
                // Sums of other orders differ in the last digits: where values are 1e9 apart from their spread, more.
                let tolerance = if name == "long.csv.gz" { 1e-4 } else { 1e-6 };
                assert!((f64::from(*value) - expected).abs() < tolerance, "{name}, row {row}, value {at}: {value}");
            }
        }
    }
}

#[test]
fn another_table_is_encoded_as_the_first_taught() {
    let options = |json: Value| serde_json::from_value::<TableOptions>(json).unwrap();
    let german =
        load_table(&source("german.csv"), None, &options(serde_json::json!({ "label": "Klasse" }))).unwrap().train;
    let known = serde_json::json!({ "preprocessing": german.preprocessing().unwrap() });
    let rows = |rows: &str| load_table(&TableSource::Rows(rows.to_owned()), None, &options(known.clone()));
    // Another order, more columns, numbers as such and as texts with a comma, a place that nobody has seen.
    let data = rows(
        r#"[{"Ort":"Köln","x":1,"Menge":3,"Preis":1234.5},{"Ort":"Ulm","Preis":"0,75","Menge":null},{"Preis":"1.000","Ort":"","Menge":"7"}]"#,
    )
    .unwrap()
    .train;
    assert!(data.labels().is_none());
    let first = german.sample(0).unwrap();
    assert_eq!(data.sample(0).unwrap(), first);
    let second = german.sample(1).unwrap();
    assert_eq!(data.sample(1).unwrap(), [second[0], 0.0, 0.0, 0.0]);
    assert_eq!(data.sample(2).unwrap(), german.sample(3).unwrap());

    let error = rows(r#"[{"Ort":"Köln","Menge":3,"Preis":"viel"}]"#).unwrap_err();
    assert_eq!(error.code, Code::Value);
    assert!(error.what.contains("row 0") && error.what.contains("\"Preis\""), "{error}");
    let error = rows(r#"[{"Ort":"Köln","Menge":3}]"#).unwrap_err();
    assert!(error.code == Code::Value && error.what.contains("lacks the column \"Preis\""), "{error}");
}

#[test]
fn what_is_learned_comes_from_the_training_rows_alone() {
    let options: TableOptions = serde_json::from_str(r#"{"label":"y","testSplit":0.3,"seed":3}"#).unwrap();
    let loaded = load_table(&source("long.csv.gz"), None, &options).unwrap();
    let (train, test) = (loaded.train, loaded.test.unwrap());
    assert_eq!(train.samples() + test.samples(), 300);
    assert_eq!(train.preprocessing(), test.preprocessing());
    let mean = |data: &Dataset| {
        (0..data.samples()).map(|row| f64::from(data.sample(row).unwrap()[0])).sum::<f64>() / data.samples() as f64
    };
    assert!(mean(&train).abs() < 1e-6 && mean(&test).abs() > 1e-3, "{} {}", mean(&train), mean(&test));
    // The same file as a table of its own gives the same samples under the same preprocessing.
    let with_file = TableOptions { test_split: None, ..options };
    let loaded = load_table(&source("long.csv.gz"), Some(&source("long.csv.gz")), &with_file).unwrap();
    assert_eq!(loaded.train.fingerprint(), loaded.test.unwrap().fingerprint());
}

#[test]
fn mistakes_are_named() {
    let fails = |name: &str, json: &str| {
        let options: TableOptions = serde_json::from_str(json).unwrap();
        load_table(&source(name), None, &options).unwrap_err()
    };
    let error = fails("quotes.csv", r#"{"label":"Kind"}"#);
    assert_eq!(error.code, Code::Option);
    assert!(error.expected.contains("\"kind\"") && error.received == "\"Kind\"", "{error}");
    assert_eq!(fails("quotes.csv", r#"{"ignore":["x"]}"#).code, Code::Option);
    assert_eq!(fails("quotes.csv", r#"{"label":"colour"}"#).what.split(" of ").next(), Some("the label"));
    assert!(fails("quotes.csv", r#"{"label":"colour"}"#).what.contains("row 2"));
    assert_eq!(fails("bare.tsv", r#"{"label":"1"}"#).code, Code::Label);
    assert_eq!(fails("quotes.csv", r#"{"label":"kind","delimiter":";;"}"#).code, Code::Option);
    assert_eq!(fails("quotes.csv", r#"{"label":"kind","columns":["kind"]}"#).code, Code::Count);
    assert_eq!(fails("none.csv", "{}").code, Code::FileNotFound);
    assert_eq!(fails("vectors.npz", r#"{"label":"z"}"#).code, Code::Option);
}

#[test]
fn files_of_other_kinds_are_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let load = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        load_table(&TableSource::File(path), None, &TableOptions::default()).unwrap_err()
    };
    for (name, bytes, what) in [
        ("a.csv", &b"PK\x03\x04zzzz"[..], "ZIP"),
        ("b.csv", b"PAR1zzzz", "Parquet"),
        ("c.csv", b"<!DOCTYPE html><html>", "web page"),
        ("d.csv", b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS"),
    ] {
        let error = load(name, bytes);
        assert!(error.code == Code::FileFormat && error.received.contains(what), "{name}: {error}");
    }
    assert_eq!(load("e.npz", b"PK\x03\x04zzzz").code, Code::FileFormat);
    assert_eq!(load("f.npy", b"zzzz").code, Code::FileFormat);
    assert_eq!(load("g.ndjson", b"{").code, Code::FileFormat);
    assert_eq!(
        load_table(&TableSource::File(folder.path().to_owned()), None, &TableOptions::default()).unwrap_err().code,
        Code::FileFormat
    );
    let many: String = (0..1500).map(|row| format!("t{row},1\n")).collect();
    let error = load("h.csv", format!("a,b\n{many}").as_bytes());
    assert!(error.code == Code::Value && error.what.contains("\"a\""), "{error}");
}
