//! Columns that only number the rows, as pandas and R write them beside the data.

use super::cell::{Cell, number};
use super::cells::Table;

/// Why a column is taken for the numbers of its rows, if it is.
pub(super) fn reason(table: &Table, column: usize) -> Option<&'static str> {
    let name = &table.names()[column];
    let level = name.strip_prefix("__index_level_").and_then(|rest| rest.strip_suffix("__"));
    if level.is_some_and(|level| !level.is_empty() && level.bytes().all(|byte| byte.is_ascii_digit())) {
        return Some("is the index of a pandas table");
    }
    (table.is_unnamed(column) && numbers_rows(table, column)).then_some("has no name and counts the rows")
}

/// Whether its values are 0, 1, 2, … or 1, 2, 3, …; in the first column in any order, and some may lack: rows that were shuffled or
/// drawn keep their numbers.
fn numbers_rows(table: &Table, column: usize) -> bool {
    let value = |row: usize| match table.cell(row, column) {
        Cell::Number(value) => Some(value),
        Cell::Text(text) => number(text, false),
        Cell::Missing => None,
    };
    let whole = |row: usize| value(row).filter(|value| value.fract() == 0.0 && (0.0..2f64.powi(53)).contains(value));
    let Some(first) = whole(0).filter(|_| table.rows() > 1) else { return false };
    if first <= 1.0 && (0..table.rows()).all(|row| whole(row) == Some(first + row as f64)) {
        return true;
    }
    if column > 0 {
        return false;
    }
    let Some(mut values) = (0..table.rows()).map(whole).collect::<Option<Vec<_>>>() else { return false };
    values.sort_unstable_by(f64::total_cmp);
    values.windows(2).all(|pair| pair[0] < pair[1])
}

#[cfg(test)]
mod tests {
    use super::super::cells::Value;
    use super::*;

    fn found(name: &str, values: &[f64]) -> bool {
        let cells = values.iter().flat_map(|value| [Value::Number(*value), Value::Number(0.5)]).collect();
        let table = Table::of_values(vec![name.to_owned(), "x".to_owned()], cells).unwrap();
        reason(&table, 0).is_some()
    }

    #[test]
    fn numbers_of_rows_are_found_in_any_order() {
        for (name, values) in [
            ("", &[0.0, 1.0, 2.0][..]),
            (" ", &[1.0, 2.0, 3.0]),
            ("", &[2.0, 0.0, 1.0]),
            ("", &[7.0, 40.0, 3.0]),
            ("Unnamed: 0", &[2.0, 0.0, 1.0]),
            ("__index_level_0__", &[0.5, 0.5]),
            ("__index_level_12__", &[3.0, 3.0]),
        ] {
            assert!(found(name, values), "{name:?} {values:?}");
        }
        for (name, values) in [
            ("", &[0.0][..]),
            ("", &[0.0, 1.0, 1.0]),
            ("", &[0.0, 1.5]),
            ("", &[-1.0, 0.0]),
            ("0", &[0.0, 1.0, 2.0]),
            ("id", &[0.0, 1.0, 2.0]),
            ("Unnamed: 1", &[0.0, 1.0]),
            ("__index_level___", &[0.0, 1.0]),
        ] {
            assert!(!found(name, values), "{name:?} {values:?}");
        }
    }
}
