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

/// The powers of ten that have no rounding.
const POWERS: [f64; 19] =
    [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18];

/// The number `-12.5` at the beginning of a text, and its bytes: what [`number`] makes of them. None where it has more digits than one
/// division of exact numbers rounds rightly (Clinger, "How to read floating point numbers accurately", 1990), or another form.
pub(super) fn leading_number(text: &[u8]) -> Option<(f64, usize)> {
    let digits = |from: usize, value: &mut u64| {
        let mut at = from;
        while let Some(digit) = text.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
            *value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
            at += 1;
        }
        at
    };
    let start = usize::from(text.first() == Some(&b'-'));
    let mut value = 0;
    let point = digits(start, &mut value);
    let (end, behind) = match text.get(point) {
        Some(b'.') => {
            let end = digits(point + 1, &mut value);
            (end, end - point - 1)
        }
        _ => (point, 0),
    };
    // 18 digits do not overflow.
    if !(1..=18).contains(&(point - start + behind)) || value > 1 << f64::MANTISSA_DIGITS {
        return None;
    }
    let value = value as f64 / POWERS[behind];
    Some((if start == 1 { -value } else { value }, end))
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
    fn numbers_at_the_beginning_of_a_text_are_what_they_are_alone() {
        for text in ["1", "-12.5", "0.1", ".5", "5.", "-0", "9007199254740992", "123456.789012", "0.000000000000001"] {
            for rest in ["", ",7", "\n", "e5", " "] {
                let (value, len) = leading_number(format!("{text}{rest}").as_bytes()).unwrap();
                assert_eq!(
                    (value.to_bits(), len),
                    (number(text, false).unwrap().to_bits(), text.len()),
                    "{text}{rest}"
                );
            }
        }
        let long = ["9007199254740993", "1234567890123456789", "99999999999999999999999", "0.1234567890123456789"];
        for text in ["", "-", ".", "-.", "+1", "e5", " 1", "nan"].into_iter().chain(long) {
            assert_eq!(leading_number(text.as_bytes()), None, "{text}");
        }
    }

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
