//! How the losses of blocks went, as a model file keeps it: put together where blocks come from several trainings. It is made of files, and
//! not trusted; what cannot be read is left out.

use serde_json::{Value, json};

/// The tables, a row a block.
const TABLES: [&str; 3] = ["loss", "validationLoss", "validationAccuracy"];

/// Where the row of a block comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Row {
    /// The history of before, at this place.
    Kept(usize),
    /// That of the training that made it.
    Made(usize),
}

/// A history of these rows; null where there is none.
pub(super) fn of_rows(before: &Value, made: &Value, rows: &[Row]) -> Value {
    let epochs = |history: &Value| -> Vec<u64> {
        history["epochs"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
    };
    let (kept, new) = (epochs(before), epochs(made));
    let is_used = |of: fn(&Row) -> bool| rows.iter().any(of);
    let mut used = Vec::new();
    used.extend(kept.iter().filter(|_| is_used(|row| matches!(row, Row::Kept(_)))));
    used.extend(new.iter().filter(|_| is_used(|row| matches!(row, Row::Made(_)))));
    used.sort_unstable();
    used.dedup();
    let mut history = json!({ "epochs": used });
    for name in TABLES {
        let row = |row: &Row| {
            let (history, epochs, place) = match *row {
                Row::Kept(place) => (before, &kept, place),
                Row::Made(place) => (made, &new, place),
            };
            let values = &history[name][place];
            let mut table = vec![Value::Null; used.len()];
            for (at, epoch) in epochs.iter().enumerate() {
                if let Ok(column) = used.binary_search(epoch) {
                    table[column] = values[at].clone();
                }
            }
            (values.is_array(), table)
        };
        let rows: Vec<_> = rows.iter().map(row).collect();
        if rows.iter().any(|(is_there, _)| *is_there) {
            history[name] = rows.into_iter().map(|(_, row)| Value::Array(row)).collect();
        }
    }
    if history["loss"].is_array() { history } else { Value::Null }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_two_trainings_stand_side_by_side() {
        let before = json!({ "epochs": [1, 2], "loss": [[0.5, 0.4], [0.6, null], [0.7, 0.1]] });
        let made = json!({ "epochs": [1, 2, 3], "loss": [[0.9, 0.8, 0.7]], "validationLoss": [[null, null, 0.2]] });
        let found = of_rows(&before, &made, &[Row::Kept(0), Row::Made(0), Row::Kept(2)]);
        let expected = json!({
            "epochs": [1, 2, 3],
            "loss": [[0.5, 0.4, null], [0.9, 0.8, 0.7], [0.7, 0.1, null]],
            "validationLoss": [[null, null, null], [null, null, 0.2], [null, null, null]],
        });
        assert_eq!(found, expected);
        assert_eq!(of_rows(&before, &Value::Null, &[Row::Kept(2)]), json!({ "epochs": [1, 2], "loss": [[0.7, 0.1]] }));
    }

    #[test]
    fn what_is_no_history_gives_none() {
        for junk in [Value::Null, json!(3), json!({ "epochs": "x", "loss": 4 }), json!({ "epochs": [1], "loss": [3] })]
        {
            assert_eq!(of_rows(&junk, &Value::Null, &[Row::Kept(0), Row::Kept(9)]), Value::Null, "{junk}");
        }
    }
}
