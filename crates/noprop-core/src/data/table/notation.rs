//! What points and commas mean in the numbers of a column.

use std::borrow::Cow;

use super::cell::{Cell, number};
use super::cells::Table;
use crate::Result;
use crate::data::parallel::map;
use crate::tensor::StopFlag;

/// How the numbers of a column are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Notation {
    /// `1234.5`.
    #[default]
    Point,
    /// `1234,5` or `1.234,5`.
    DecimalComma,
    /// `1,234.5` or `1234.5`.
    ThousandsComma,
}

impl Notation {
    const ALL: [Self; 3] = [Self::Point, Self::DecimalComma, Self::ThousandsComma];

    /// That of a column of which a model says so much.
    pub fn of(decimal_comma: bool, thousands_comma: bool) -> Self {
        match (decimal_comma, thousands_comma) {
            (true, _) => Self::DecimalComma,
            (_, true) => Self::ThousandsComma,
            _ => Self::Point,
        }
    }

    /// A text as a finite number.
    pub fn number(self, text: &str) -> Option<f64> {
        let text = with_ascii_minus(text);
        match self {
            Self::DecimalComma if text.contains(['.', ',']) => number(&text, true),
            Self::ThousandsComma if text.contains(',') => {
                let end = text.find(['.', 'e', 'E']).unwrap_or(text.len());
                let (whole, rest) = text.split_at(end);
                if rest.contains(',') || !is_grouped(whole, ',') {
                    return None;
                }
                number(&format!("{}{rest}", whole.replace(',', "")), false)
            }
            _ => number(&text, false),
        }
    }

    /// What a cell is expected to be, for errors.
    pub fn expected(self) -> &'static str {
        match self {
            Self::Point => "a number with a decimal point, as in the training data",
            Self::DecimalComma => "a number with a decimal comma, as in the training data",
            Self::ThousandsComma => {
                "a number with a decimal point and commas between thousands, as in the training data"
            }
        }
    }
}

/// A text whose first character is an ASCII minus where it is the mathematical one.
pub(super) fn with_ascii_minus(text: &str) -> Cow<'_, str> {
    match text.strip_prefix('\u{2212}') {
        Some(rest) => Cow::Owned(format!("-{rest}")),
        None => Cow::Borrowed(text),
    }
}

/// Whether it is a whole number whose thousands are grouped: `1,234`. No group begins with 0.
fn is_grouped(text: &str, separator: char) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut groups = digits.split(separator);
    let first = groups.next().unwrap_or_default();
    let is_digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    (1..=3).contains(&first.len())
        && !first.starts_with('0')
        && is_digits(first)
        && digits.contains(separator)
        && groups.all(|group| group.len() == 3 && is_digits(group))
}

/// What the cells of a column show of its notation.
#[derive(Clone, Debug, PartialEq)]
enum Shown {
    /// No notation reads all of them.
    Texts,
    /// There is nothing to tell by.
    Nothing,
    /// Only this one reads them.
    Only(Notation),
    /// Every point, or every comma, may stand between thousands; such a cell.
    Either { separator: char, example: String },
}

/// What the cells show, which are looked at no longer than necessary.
fn shown<'a>(cells: impl Iterator<Item = Cell<'a>>) -> Shown {
    let mut fits = [true; 3];
    // Of cells with a point or a comma: the first one, whether all have the same of these, and whether all are grouped.
    let (mut first, mut is_either) = (None::<(char, &str)>, true);
    for cell in cells {
        let Cell::Text(text) = cell else { continue };
        for (fits, notation) in fits.iter_mut().zip(Notation::ALL) {
            *fits = *fits && notation.number(text).is_some();
        }
        if fits == [false; 3] {
            return Shown::Texts;
        }
        let plain = with_ascii_minus(text);
        match text.chars().find(|sign| matches!(sign, '.' | ',')) {
            Some(separator) => {
                let (known, _) = *first.get_or_insert((separator, text));
                is_either = is_either && separator == known && is_grouped(&plain, separator);
            }
            None => is_either = is_either && !plain.contains(['e', 'E']),
        }
    }
    let [point, decimal_comma, thousands_comma] = fits;
    match first {
        None => Shown::Nothing,
        Some((separator, example)) if is_either && (point || thousands_comma) && decimal_comma => {
            Shown::Either { separator, example: example.to_owned() }
        }
        Some(_) if point => Shown::Only(Notation::Point),
        Some(_) if decimal_comma => Shown::Only(Notation::DecimalComma),
        Some(_) => Shown::Only(Notation::ThousandsComma),
    }
}

/// The notations of all columns of a table.
pub(super) struct Notations(Vec<(Option<Notation>, Option<String>)>);

impl Notations {
    /// Those that `rows` show. What a column leaves open, the others and the separator of the cells decide.
    pub fn find(table: &Table, rows: &[usize]) -> Result<Self> {
        let look = |column: usize| shown(rows.iter().map(|row| table.cell(*row, column)));
        let all =
            |is_wanted: &(dyn Fn(usize) -> bool + Sync)| {
                map(table.names().len(), &StopFlag::new(), |column| {
                    if is_wanted(column) { look(column) } else { Shown::Nothing }
                })
            };
        // Most columns of most tables are numbers with points.
        let is_plain = |column: usize| table.is_plain_numbers(column);
        let mut found = all(&|column| !is_plain(column))?;
        let by_comma = table.delimiter() == Some(b',');
        let decimal_comma = Shown::Only(Notation::DecimalComma);
        if table.has_texts() && (!by_comma || found.contains(&decimal_comma)) {
            for (column, shown) in all(&is_plain)?.into_iter().enumerate().filter(|(column, _)| is_plain(*column)) {
                found[column] = shown;
            }
        }
        let points = found.iter().any(|shown| matches!(shown, Shown::Only(Notation::Point | Notation::ThousandsComma)));
        let commas = found.contains(&decimal_comma);
        let decide = |(name, shown): (&String, Shown)| match shown {
            Shown::Texts => (None, None),
            Shown::Nothing => (Some(Notation::Point), None),
            Shown::Only(notation) => (Some(notation), None),
            Shown::Either { separator, example } => {
                // Whether points are decimal signs in this file.
                let decimal_point = match (points, commas) {
                    (true, false) => Some(true),
                    (false, true) => Some(false),
                    _ => by_comma.then_some(true),
                };
                let notation = match (separator, decimal_point) {
                    (',', Some(true)) => Notation::ThousandsComma,
                    ('.', Some(true) | None) => Notation::Point,
                    _ => Notation::DecimalComma,
                };
                let read = notation.number(&example).unwrap_or_default();
                let note = format!("column {name:?}: {example} is read as {read}");
                let note = match decimal_point {
                    // Nobody expects another thing.
                    Some(true) if separator == '.' => None,
                    Some(_) => Some(note),
                    None => Some(format!(
                        "{note}, for nothing in the file shows which sign is the decimal one; write thousands without a separator"
                    )),
                };
                (Some(notation), note)
            }
        };
        Ok(Self(table.names().iter().zip(found).map(decide).collect()))
    }

    /// That of a column; none where its cells are no numbers.
    pub fn of(&self, column: usize) -> Option<Notation> {
        self.0[column].0
    }

    /// What is worth knowing of a column.
    pub fn note(&self, column: usize) -> Option<String> {
        self.0[column].1.clone()
    }
}

/// A note of a column of texts most of which are numbers, which would be a column of numbers but for a few cells.
pub(super) fn nearly_numbers(table: &Table, column: usize, rows: &[usize]) -> Option<String> {
    let present = || rows.iter().map(|row| (*row, table.cell(*row, column))).filter(|(_, cell)| *cell != Cell::Missing);
    let is_stranger =
        |notation: Notation, cell: Cell<'_>| matches!(cell, Cell::Text(text) if notation.number(text).is_none());
    let cells = present().count();
    let most = cells / 5;
    let strangers = |notation| present().filter(|(_, cell)| is_stranger(notation, *cell)).take(most + 1).count();
    let (count, notation) =
        Notation::ALL.map(|notation| (strangers(notation), notation)).into_iter().min_by_key(|(count, _)| *count)?;
    if count == 0 || count > most {
        return None;
    }
    let (row, cell) = present().find(|(_, cell)| is_stranger(notation, *cell))?;
    let are = if count == 1 { "is no number:" } else { "are no numbers, the first" };
    Some(format!(
        "column {:?} is read as categories: {count} of its {cells} cells {are} {} in row {row} (counted from 0)",
        table.names()[column],
        cell.shown()
    ))
}

#[cfg(test)]
mod tests {
    use super::super::cells::Value;
    use super::*;

    fn show(texts: &[&str]) -> Shown {
        shown(texts.iter().map(|text| super::super::cell::of_text(text)))
    }

    fn table(columns: &[&[&str]], delimiter: Option<u8>) -> Table {
        let cell = |row: usize, column: &[&str]| Value::Text(column[row].to_owned());
        let cells = (0..columns[0].len()).flat_map(|row| columns.iter().map(move |column| cell(row, column)));
        let names = (0..columns.len()).map(|column| format!("c{column}")).collect();
        let table = Table::of_values(names, cells.collect()).unwrap();
        match delimiter {
            Some(delimiter) => table.separated_by(delimiter),
            None => table,
        }
    }

    #[test]
    fn columns_show_their_notation_or_leave_it_open() {
        for (texts, expected) in [
            (&["1", "-20", "NA"][..], Shown::Nothing),
            (&["1.5", "2"], Shown::Only(Notation::Point)),
            (&["0.100", "1.234"], Shown::Only(Notation::Point)),
            (&["1.234", "1e3"], Shown::Only(Notation::Point)),
            (&["1,5", "1.234"], Shown::Only(Notation::DecimalComma)),
            (&["0,100", "1,234"], Shown::Only(Notation::DecimalComma)),
            (&["1.234.567"], Shown::Only(Notation::DecimalComma)),
            (&["1,234.5", "\u{2212}7"], Shown::Only(Notation::ThousandsComma)),
            (&["1,234,567", "1.5"], Shown::Only(Notation::ThousandsComma)),
            (&["1,5", "1.5"], Shown::Texts),
            (&["0,5", "0.100"], Shown::Texts),
            (&["1", "x"], Shown::Texts),
        ] {
            assert_eq!(show(texts), expected, "{texts:?}");
        }
        for (texts, separator, example) in
            [(&["999", "1,234"][..], ',', "1,234"), (&["-12.345", "", "+1.000"], '.', "-12.345")]
        {
            assert_eq!(show(texts), Shown::Either { separator, example: example.to_owned() }, "{texts:?}");
        }
    }

    #[test]
    fn the_file_decides_what_a_column_leaves_open() {
        let commas: &[&str] = &["1,234", "999"];
        let points: &[&str] = &["1.234", "999"];
        let (sure_comma, sure_point): (&[&str], &[&str]) = (&["3,5", "2"], &["3.5", "2"]);
        let find = |columns: &[&[&str]], delimiter: u8| {
            let found = Notations::find(&table(columns, Some(delimiter)), &[0, 1]).unwrap();
            (found.of(0).unwrap(), found.note(0).unwrap_or_default())
        };
        let read = |number: &str| format!("column \"c0\": {number}");
        for (columns, delimiter, notation, note) in [
            (&[commas][..], b',', Notation::ThousandsComma, "1,234 is read as 1234"),
            (&[commas, sure_point], b';', Notation::ThousandsComma, "1,234 is read as 1234"),
            (&[commas, sure_comma], b',', Notation::DecimalComma, "1,234 is read as 1.234"),
            (&[commas, sure_comma], b';', Notation::DecimalComma, "1,234 is read as 1.234"),
            (&[points, sure_comma], b';', Notation::DecimalComma, "1.234 is read as 1234"),
            (&[points, sure_comma], b',', Notation::DecimalComma, "1.234 is read as 1234"),
        ] {
            assert_eq!(find(columns, delimiter), (notation, read(note)), "{columns:?}");
        }
        for (columns, delimiter) in [(&[points][..], b','), (&[points, sure_point], b';')] {
            assert_eq!(find(columns, delimiter), (Notation::Point, String::new()), "{columns:?}");
        }
        for (columns, notation) in [(&[commas][..], Notation::DecimalComma), (&[points], Notation::Point)] {
            let (found, note) = find(columns, b';');
            assert_eq!(found, notation);
            assert!(note.contains("is read as 1.234, for nothing in the file"), "{note}");
        }
    }

    #[test]
    fn numbers_are_read_in_the_notation_of_their_column() {
        for (notation, text, value) in [
            (Notation::ThousandsComma, "1,234.5", Some(1234.5)),
            (Notation::ThousandsComma, "-12,345", Some(-12345.0)),
            (Notation::ThousandsComma, "1.5", Some(1.5)),
            (Notation::ThousandsComma, "1,5", None),
            (Notation::ThousandsComma, "0,123", None),
            (Notation::ThousandsComma, "1.5,123", None),
            (Notation::DecimalComma, "0.100", None),
            (Notation::DecimalComma, "1.234", Some(1234.0)),
            (Notation::DecimalComma, "1e3", Some(1000.0)),
            (Notation::Point, "1,234", None),
            (Notation::Point, "\u{2212}1.5", Some(-1.5)),
            (Notation::Point, "inf", None),
        ] {
            assert_eq!(notation.number(text), value, "{notation:?} {text}");
        }
    }

    #[test]
    fn a_column_of_numbers_but_for_few_cells_is_told() {
        let column = ["1", "2.5", "", "x", "-4", "5"];
        let found = nearly_numbers(&table(&[&column], None), 0, &[0, 1, 2, 3, 4, 5]).unwrap();
        assert_eq!(
            found,
            "column \"c0\" is read as categories: 1 of its 5 cells is no number: \"x\" in row 3 (counted from 0)"
        );
        let column = ["1", "2", "inf", "4", "n", "6", "7", "8", "9", "10"];
        let rows: Vec<usize> = (0..10).collect();
        let found = nearly_numbers(&table(&[&column], None), 0, &rows).unwrap();
        assert!(found.contains("2 of its 10 cells are no numbers, the first \"inf\" in row 2"), "{found}");
        assert_eq!(nearly_numbers(&table(&[&["a", "1", "2", "3"]], None), 0, &[0, 1, 2, 3]), None);
    }
}
