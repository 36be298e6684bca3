//! Rows as JSON objects: one a line (NDJSON), or all in one list.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

use super::cells::{MAX_COLUMNS, Table, Value};
use crate::memory::reserved;
use crate::{Code, Error, Result};

/// Most cells for each value.
const SPARSEST: usize = 16;

/// Reads objects; columns are the names in the order in which they come first, and what an object has not is missing. `name` is
/// that of the file, for errors.
///
/// # Errors
/// [`Code::FileFormat`] for what is not JSON, or no objects; [`Code::Value`] for lists and objects in cells; [`Code::Count`]
/// without rows.
pub(super) fn read(name: &str, bytes: &[u8]) -> Result<Table> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let bytes = &*without_nan(bytes);
    let broken = |row: usize, error: &serde_json::Error| {
        let broken = Error::new(Code::FileFormat, format!("{name} cannot be read as rows of JSON"))
            .expected("objects such as {\"height\": 1.5, \"colour\": \"red\"}, one a line or in one list")
            .received(format!("{error}, in row {row}"));
        if bytes.windows(8).any(|word| word == b"Infinity") {
            return broken.hint("JSON has no Infinity: write a finite number, or null for a missing value");
        }
        broken
    };
    let rows: Vec<Row> = if bytes.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice(bytes).map_err(|error| broken(0, &error))?
    } else {
        let rows = serde_json::Deserializer::from_slice(bytes).into_iter::<Row>().enumerate();
        rows.map(|(index, row)| row.map_err(|error| broken(index, &error))).collect::<Result<_>>()?
    };
    let mut places = HashMap::new();
    let mut names = Vec::new();
    for (key, _) in rows.iter().flat_map(|row| &row.0) {
        if !places.contains_key(key.as_str()) {
            places.insert(key.as_str(), names.len());
            names.push(key.clone());
        }
    }
    if names.len() > MAX_COLUMNS {
        return Err(Error::new(Code::Count, format!("{name} has too many columns"))
            .expected(format!("at most {MAX_COLUMNS} different names"))
            .received(names.len().to_string()));
    }
    // Rows of few values under very many names would take their product.
    let given: usize = rows.iter().map(|row| row.0.len()).sum();
    if rows.len().saturating_mul(names.len()) > SPARSEST * given + (1 << 20) {
        return Err(Error::new(Code::Value, format!("the rows of {name} have too few names in common"))
            .expected(format!("values for at least one cell in {SPARSEST}"))
            .received(format!("{given} values in {} rows of {} columns", rows.len(), names.len()))
            .hint("give every row the same names"));
    }
    let mut values = reserved(rows.len().saturating_mul(names.len()), "the cells of the table")?;
    values.resize(rows.len() * names.len(), Value::Missing);
    for (index, row) in rows.iter().enumerate() {
        for (key, value) in &row.0 {
            let cell = match value {
                Json::Null => Value::Missing,
                Json::Bool(value) => Value::Text(value.to_string()),
                Json::Number(number) => number.as_f64().map_or(Value::Missing, Value::Number),
                Json::String(text) => Value::Text(text.clone()),
                Json::Array(_) | Json::Object(_) => {
                    return Err(Error::new(
                        Code::Value,
                        format!("\"{key}\" of row {index} of {name} is no single value"),
                    )
                    .expected("a number, text, true, false or null")
                    .received(if value.is_array() { "a list" } else { "an object" })
                    .hint("rows are counted from 0; give each number a name of its own"));
                }
            };
            values[index * names.len() + places[key.as_str()]] = cell;
        }
    }
    Table::of_values(names, values).map_err(|mut error| {
        error.what = error.what.replacen("the table", name, 1);
        error
    })
}

/// The text with `null` for every `NaN`, which Python writes, outside of texts.
fn without_nan(bytes: &[u8]) -> Cow<'_, [u8]> {
    const NAN: &[u8] = b"NaN";
    if !bytes.windows(NAN.len()).any(|word| word == NAN) {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 8);
    let (mut at, mut in_text) = (0, false);
    while let Some(&byte) = bytes.get(at) {
        let taken = match byte {
            b'\\' if in_text => 2.min(bytes.len() - at),
            b'N' if !in_text && bytes[at..].starts_with(NAN) => {
                out.extend_from_slice(b"null");
                at += NAN.len();
                continue;
            }
            _ => 1,
        };
        in_text ^= byte == b'"';
        out.extend_from_slice(&bytes[at..at + taken]);
        at += taken;
    }
    Cow::Owned(out)
}

/// An object with its names in their order.
struct Row(Vec<(String, Json)>);

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Row;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Row, A::Error> {
                let mut row = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    row.push(entry);
                }
                Ok(Row(row))
            }
        }
        from.deserialize_map(Read)
    }
}

#[cfg(test)]
mod tests {
    use super::super::cells::Cell;
    use super::*;

    #[test]
    fn lines_and_lists_read_alike() {
        let lines = "{\"b\":1.5,\"a\":\"x\"}\n\n{\"a\":null,\"c\":true}\r\n";
        let list = r#"[{"b":1.5,"a":"x"},{"a":null,"c":true}]"#;
        for text in [lines, list, &format!("\u{feff}{list}")] {
            let table = read("x", text.as_bytes()).unwrap();
            assert_eq!(table.names(), ["b", "a", "c"]);
            let row = |row| [0, 1, 2].map(|column| table.cell(row, column));
            assert_eq!(row(0), [Cell::Number(1.5), Cell::Text("x"), Cell::Missing]);
            assert_eq!(row(1), [Cell::Missing, Cell::Missing, Cell::Text("true")]);
        }
    }

    #[test]
    fn nan_is_missing() {
        let table = read("x", br#"{"a":NaN,"b":"NaN, \" NaN"}"#).unwrap();
        assert_eq!([0, 1].map(|column| table.cell(0, column)), [Cell::Missing, Cell::Text("NaN, \" NaN")]);
        let error = read("x", br#"{"a":-Infinity}"#).unwrap_err();
        assert!(error.code == Code::FileFormat && error.hint.contains("Infinity"), "{error}");
    }

    #[test]
    fn what_is_no_row_is_refused() {
        let code = |text: &str| read("x", text.as_bytes()).unwrap_err().code;
        for text in ["{", "3", "[1]", "[[1]]", "{\"a\":1} x", "\u{1}"] {
            assert_eq!(code(text), Code::FileFormat, "{text}");
        }
        assert_eq!(code("{\"a\":[1]}"), Code::Value);
        for text in ["", "[]", "{}"] {
            assert_eq!(code(text), Code::Count, "{text:?}");
        }
        assert_eq!(code(&"[".repeat(100_000)), Code::FileFormat);
    }
}
