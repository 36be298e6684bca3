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

impl Cell<'_> {
    /// What errors and notes show of it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Missing => "nothing".to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) if text.chars().count() > 40 => {
                format!("{:?}", format!("{}…", text.chars().take(40).collect::<String>()))
            }
            Self::Text(text) => format!("{text:?}"),
        }
    }
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
#[inline(always)]
pub(super) fn leading_number(text: &[u8]) -> Option<(f64, usize)> {
    text.first_chunk().and_then(short_number).or_else(|| long_number(text))
}

/// A sign, eight bytes for the digits before the point, and as many for it and those behind it; so many that no look is past the end.
const WINDOW: usize = 24;

/// As [`long_number`], where there are at most seven digits before the point and as many behind it. Nothing depends on how many digits there are,
/// which no processor foresees.
#[inline(always)]
fn short_number(text: &[u8; WINDOW]) -> Option<(f64, usize)> {
    let start = usize::from(text[0] == b'-');
    let (before, whole) = leading_digits(text, start)?;
    let point = start + before;
    let (behind, part, end) = if text[point] == b'.' {
        let (behind, part) = leading_digits(text, point + 1)?;
        (behind, part, point + 1 + behind)
    } else {
        (0, 0, point)
    };
    // All below 10^14, so exact.
    let value = (whole as f64 * POWERS[behind] + part as f64) / POWERS[behind];
    let signed = f64::from_bits(value.to_bits() | (start as u64) << 63);
    (before + behind > 0).then_some((signed, end))
}

/// How many digits the eight bytes from `from` on begin with, and the number that these make. None where all are digits.
#[inline(always)]
fn leading_digits(text: &[u8; WINDOW], from: usize) -> Option<(usize, u64)> {
    let bytes = *text.get(from..)?.first_chunk()?;
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    let word = u64::from_le_bytes(bytes) ^ (EACH * u64::from(b'0'));
    // 10 and more get their highest bit; what is carried comes into bytes behind the first of these, which do not count.
    let others = (word | word.wrapping_add(EACH * (0x80 - 10))) & (EACH * 0x80);
    if others == 0 {
        return None;
    }
    let count = others.trailing_zeros() as usize / 8;
    // Behind zeros. Then neighbours become one number: of one digit, of two, of four.
    let mut value = (word << (56 - 8 * count)) << 8;
    value = (value * 10 + (value >> 8)) & 0x00ff_00ff_00ff_00ff;
    value = (value * 100 + (value >> 16)) & 0x0000_ffff_0000_ffff;
    value = (value * 10_000 + (value >> 32)) & 0xffff_ffff;
    Some((count, value))
}

/// As [`leading_number`], digit by digit.
fn long_number(text: &[u8]) -> Option<(f64, usize)> {
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

/// A text as a finite number: `-1.5e3`. With `comma`, the decimal sign is a comma, and points may group digits by three. The minus may be
/// the mathematical one.
pub(super) fn number(text: &str, comma: bool) -> Option<f64> {
    if let Some(rest) = text.strip_prefix('\u{2212}') {
        return number(&format!("-{rest}"), comma);
    }
    // Rust also reads `inf` and `nan`.
    let plain = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    if !comma {
        return plain(text);
    }
    let (whole, rest) = text.split_once(',').map_or((text, None), |(whole, rest)| (whole, Some(rest)));
    let mut groups = whole.trim_start_matches(['+', '-']).split('.');
    let first = groups.next().unwrap_or_default();
    let grouped = whole.contains('.');
    if grouped && (!(1..=3).contains(&first.len()) || first.starts_with('0') || !groups.all(|group| group.len() == 3)) {
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
            for rest in ["", ",7", "\n", "e5", " ", ",1.25,-3.5,7.125", "x.1234567", "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}"] {
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
    fn digits_at_once_are_those_one_by_one() {
        let (mut word, mut found_at_once) = (1u64, 0);
        for _ in 0..200_000 {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let signs: [&[u8]; 4] = [b"0123456789.", b"0123456789", b"0123456789.-,\n", b"019/:.\xff\x80"];
            let signs = signs[(word >> 62) as usize];
            let text: Vec<u8> =
                (0..24).map(|at| signs[(word.rotate_left(3 * at) >> 32) as usize % signs.len()]).collect();
            let bits = |found: Option<(f64, usize)>| found.map(|(value, len)| (value.to_bits(), len));
            if let Some(found) = text.first_chunk().and_then(short_number) {
                assert_eq!(bits(Some(found)), bits(long_number(&text)), "{}", text.escape_ascii());
                found_at_once += 1;
            }
        }
        assert!(found_at_once > 10_000, "{found_at_once}");
    }

    #[test]
    fn numbers_in_both_notations() {
        for (text, value) in [
            ("1", 1.0),
            ("-1.5e3", -1500.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("+2", 2.0),
            ("1E-2", 0.01),
            ("\u{2212}3", -3.0),
        ] {
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
            ("\u{2212}1.234,5", -1234.5),
        ] {
            assert_eq!(number(text, true), Some(value), "{text}");
        }
        for text in ["1.5", "1,234,5", "12.34,5", "1234.567,8", "a", ",", "1,2.3", "", "0.100", "-012.345,6"] {
            assert_eq!(number(text, true), None, "{text}");
        }
    }
}
