//! What a text in a cell says.

/// Texts that stand for a missing value, as pandas has them, and the `?` of the UCI repository.
const MISSING: [&str; 20] = [
    "", "?", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "n/a", "<NA>", "#N/A", "#NA", "#N/A N/A", "-NaN",
    "-nan", "1.#QNAN", "-1.#QNAN", "1.#IND", "-1.#IND",
];

/// What stands in a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// Nothing, or a text that stands for it.
    Missing,
    /// A finite number.
    Number(f64),
    /// A text without blanks around it. It may be that of a number.
    Text(&'a str),
}

/// A text that is trimmed, or missing.
pub(super) fn of_text(text: &str) -> Cell<'_> {
    // Most cells are numbers, and nothing that stands for a missing value ends so.
    if let [b'0'..=b'9' | b'-', .., b'0'..=b'9'] | [b'0'..=b'9'] = text.as_bytes() {
        return Cell::Text(text);
    }
    let text = text.trim();
    if text.len() <= 8 && MISSING.contains(&text) { Cell::Missing } else { Cell::Text(text) }
}

/// A text as a finite number: `-1.5e3`. With `comma`, the decimal sign is a comma, and points may group digits by three.
pub(super) fn number(text: &str, comma: bool) -> Option<f64> {
    // Rust also reads `inf` and `nan`.
    let plain = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    if !comma {
        return plain(text);
    }
    let (whole, rest) = text.split_once(',').map_or((text, None), |(whole, rest)| (whole, Some(rest)));
    let mut groups = whole.trim_start_matches(['+', '-']).split('.');
    let first = groups.next().unwrap_or_default();
    let grouped = whole.contains('.');
    if grouped && (!(1..=3).contains(&first.len()) || !groups.all(|group| group.len() == 3)) {
        return None;
    }
    if !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | ','))
        || rest.is_some_and(|rest| rest.contains(['.', ',', '+']))
    {
        return None;
    }
    plain(&format!("{}.{}", whole.replace('.', ""), rest.unwrap_or("0")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_both_notations() {
        for (text, value) in [("1", 1.0), ("-1.5e3", -1500.0), (".5", 0.5), ("5.", 5.0), ("+2", 2.0), ("1E-2", 0.01)] {
            assert_eq!(number(text, false), Some(value), "{text}");
        }
        for text in ["", "inf", "-Infinity", "nan", "1,5", "1e999", "0x10", "1_000", "1 000", "--1", "e", "."] {
            assert_eq!(number(text, false), None, "{text}");
        }
        for (text, value) in [
            ("1,5", 1.5),
            ("-0,25", -0.25),
            ("1.234,5", 1234.5),
            ("1.234.567", 1_234_567.0),
            ("7", 7.0),
            ("2,5e1", 25.0),
        ] {
            assert_eq!(number(text, true), Some(value), "{text}");
        }
        for text in ["1.5", "1,234,5", "12.34,5", "1234.567,8", "a", ",", "1,2.3", ""] {
            assert_eq!(number(text, true), None, "{text}");
        }
    }
}
