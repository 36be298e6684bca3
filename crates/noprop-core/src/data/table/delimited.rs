//! Text files of rows and columns: CSV, TSV and their kin (RFC 4180, and what programs make of it).

use std::sync::Arc;

use csv::{ErrorKind, ReaderBuilder, StringRecord};

use super::cells::{MAX_COLUMNS, Table, Texts, number};
use super::plain::{PIECE, Plain};
use super::quotes::Unclosed;
use crate::data::parallel::any;
use crate::{Code, Error, Result};

/// The separators that are looked for, those first that win a draw.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// So many first bytes decide on the separator.
const SAMPLE: usize = 1 << 16;
/// So many first rows decide on the separator.
const SAMPLE_ROWS: usize = 50;

/// How a text file is laid out, as far as it is known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Layout {
    /// Whether the first row has the names of the columns. Default: if no cell of it is a number.
    pub header: Option<bool>,
    /// What separates cells. Default: what separates most.
    pub delimiter: Option<u8>,
}

/// Reads a text. `name` is that of the file, for errors.
///
/// # Errors
/// [`Code::FileFormat`] for a text that is not UTF-8 or UTF-16, or rows of different lengths; [`Code::Count`] without rows.
pub(super) fn read(name: &str, bytes: Vec<u8>, layout: Layout) -> Result<Table> {
    read_in(name, bytes, layout, PIECE)
}

/// As [`read`], in pieces of so many bytes.
fn read_in(name: &str, bytes: Vec<u8>, layout: Layout, piece: usize) -> Result<Table> {
    let text = Arc::new(decode(name, bytes)?);
    if u32::try_from(text.len()).is_err() {
        return Err(Error::new(Code::FileFormat, format!("{name} is too large"))
            .expected(format!("at most {} bytes in UTF-8", u32::MAX))
            .hint("split the file"));
    }
    let (rest, stated) = stated_delimiter(text.strip_prefix(MARK).unwrap_or(&text));
    let delimiter = layout.delimiter.or(stated).unwrap_or_else(|| sniff(rest));
    let mut reader = builder(delimiter).from_reader(rest.as_bytes());
    let mut record = StringRecord::new();
    let fail = |error: &csv::Error| explain(name, delimiter, error);
    let has_quotes = any(rest.as_bytes(), |piece| piece.contains(&b'"'))?;
    let is_read = reader.read_record(&mut record).map_err(|error| fail(&error))?;
    let has_header = layout.header.unwrap_or_else(|| looks_like_header(&record));
    if let Some(unclosed) = Some(rest).filter(|_| has_quotes).and_then(|text| Unclosed::find(text, delimiter)) {
        return Err(unclosed.error(name, has_header));
    }
    if !is_read {
        return Err(Error::new(Code::Count, format!("{name} is empty")).expected("rows of values"));
    }
    if record.len() > MAX_COLUMNS {
        return Err(Error::new(Code::Count, format!("{name} has too many columns"))
            .expected(format!("at most {MAX_COLUMNS}"))
            .received(record.len().to_string()));
    }
    let names: Vec<String> = if has_header {
        record.iter().map(|cell| cell.trim().to_owned()).collect()
    } else {
        (0..record.len()).map(|column| column.to_string()).collect()
    };
    let told = |table: Result<Table>| {
        table.map(|table| table.separated_by(delimiter)).map_err(|mut error| {
            error.what = error.what.replacen("the table", name, 1);
            if has_header && error.code == Code::Count {
                error.hint =
                    "the first row was taken for the names of the columns; say if there are none (header)".to_owned();
            }
            error
        })
    };
    // The library takes off a second mark.
    if !rest.starts_with(MARK) && !has_quotes {
        let read = if has_header { reader.position().byte() as usize } else { 0 };
        let from = text.len() - rest.len() + read;
        if let Some(cells) = Plain::read(text.clone(), from, delimiter, record.len(), piece)? {
            return told(Table::of_plain(names, cells));
        }
    }
    let mut columns: Vec<Texts> = record.iter().map(|_| Texts::default()).collect();
    let mut push = |record: &StringRecord| {
        for (column, cell) in columns.iter_mut().zip(record) {
            column.push(cell);
        }
    };
    if !has_header {
        push(&record);
    }
    while reader.read_record(&mut record).map_err(|error| fail(&error))? {
        push(&record);
    }
    told(Table::of_texts(names, columns))
}

fn builder(delimiter: u8) -> ReaderBuilder {
    let mut builder = ReaderBuilder::new();
    builder.has_headers(false).delimiter(delimiter);
    builder
}

/// What a text in UTF-8 may begin with.
const MARK: char = '\u{feff}';

/// The text, which may begin with a byte-order mark, from UTF-8 or UTF-16 (Excel's "Unicode text").
fn decode(name: &str, bytes: Vec<u8>) -> Result<String> {
    let refused = |received: &str| {
        Error::new(Code::FileFormat, format!("{name} is not a text in UTF-8"))
            .expected("UTF-8, or UTF-16 with a byte-order mark")
            .received(received)
            .hint("save it as UTF-8; in Excel: CSV UTF-8")
    };
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        char::decode_utf16(units).collect::<std::result::Result<String, _>>().map_err(|_| refused("broken UTF-16"))
    };
    match &bytes[..] {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => {
            let text = String::from_utf8(bytes).map_err(|error| {
                let at = error.utf8_error().valid_up_to();
                let bytes = error.as_bytes();
                let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
                refused(&format!("byte 0x{:02x} in line {line}", bytes[at]))
            })?;
            if any(text.as_bytes(), |piece| piece.contains(&0))? {
                return Err(refused("NUL bytes"));
            }
            Ok(text)
        }
    }
}

/// Excel's first line `sep=;`, and the text after it.
fn stated_delimiter(text: &str) -> (&str, Option<u8>) {
    let Some(rest) = text.strip_prefix("sep=") else { return (text, None) };
    let mut bytes = rest.bytes();
    match (bytes.next(), rest.get(1..).and_then(|rest| rest.strip_prefix("\r\n").or(rest.strip_prefix('\n')))) {
        (Some(delimiter), Some(rest)) if delimiter.is_ascii() => (rest, Some(delimiter)),
        _ => (text, None),
    }
}

/// The separator that gives most columns, the same number in each of the first rows.
fn sniff(text: &str) -> u8 {
    let mut end = text.len().min(SAMPLE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let sample = &text[..end];
    let columns = |delimiter: u8| {
        let mut reader = builder(delimiter).flexible(true).from_reader(sample.as_bytes());
        let mut lens: Vec<usize> = reader.records().take(SAMPLE_ROWS).map_while(|row| Some(row.ok()?.len())).collect();
        // The last row may be cut.
        if end < text.len() && lens.len() > 1 && lens.len() < SAMPLE_ROWS {
            lens.pop();
        }
        let first = lens.first().copied().unwrap_or(0);
        let is_same = lens.iter().all(|len| *len == first);
        (is_same, first)
    };
    let score = |delimiter: &u8| match columns(*delimiter) {
        (true, columns) if columns > 1 => columns + MAX_COLUMNS,
        (_, columns) => columns,
    };
    // `max_by_key` takes the last of equals.
    DELIMITERS.iter().rev().copied().max_by_key(score).unwrap_or(b',')
}

/// Names are not numbers.
fn looks_like_header(record: &StringRecord) -> bool {
    let is_number = |cell: &str| number(cell.trim(), false).is_some() || number(cell.trim(), true).is_some();
    !record.iter().any(is_number) && record.iter().any(|cell| !cell.trim().is_empty())
}

fn explain(name: &str, delimiter: u8, error: &csv::Error) -> Error {
    let line = error.position().map_or(0, csv::Position::line);
    let shown = if delimiter == b'\t' { "a tab".to_owned() } else { format!("{:?}", char::from(delimiter)) };
    match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            Error::new(Code::FileFormat, format!("line {line} of {name} has another number of cells than those before"))
                .expected(format!("{expected_len} cells, separated by {shown}"))
                .received(len.to_string())
                .hint("put quotes around cells that hold the separator, or name another separator (delimiter)")
        }
        _ => Error::new(Code::FileFormat, format!("{name} cannot be read as a table")).received(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::cells::Cell;
    use super::*;

    fn rows(text: &[u8], layout: Layout) -> (Vec<String>, Vec<Vec<String>>) {
        let table = read("x.csv", text.to_vec(), layout).unwrap();
        let cell = |row, column| match table.cell(row, column) {
            Cell::Missing => "-".to_owned(),
            Cell::Text(text) => text.to_owned(),
            Cell::Number(number) => number.to_string(),
        };
        let columns = table.names().len();
        let rows = (0..table.rows()).map(|row| (0..columns).map(|column| cell(row, column)).collect()).collect();
        (table.names().to_vec(), rows)
    }

    #[test]
    fn one_table_in_many_spellings() {
        let utf16: Vec<u8> = "\u{feff}a;b\r\n1;x y\r\n;z\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let texts: [&[u8]; 9] = [
            b"a,b\n1,x y\n,z\n",
            b"a,b\r\n1,x y\r\n,z",
            b"\xef\xbb\xbfa,b\n1,x y\n,z\n\n",
            b"a;b\n1;x y\n;z\n",
            b"a\tb\n1\tx y\n\tz\n",
            b"a|b\n1|x y\n|z\n",
            b"\"a\",\"b\"\n\"1\",\"x y\"\nNA,\"z\"\n",
            b"sep=;\r\na;b\r\n 1 ; x y\r\n;z\r\n",
            &utf16,
        ];
        for text in texts {
            let (names, rows) = rows(text, Layout::default());
            assert_eq!(names, ["a", "b"], "{text:?}");
            assert_eq!(rows, [["1", "x y"], ["-", "z"]], "{text:?}");
        }
    }

    #[test]
    fn quotes_hold_separators_quotes_and_line_breaks() {
        let (_, rows) = rows(b"a,b\n\"x, \"\"y\"\"\",\"1\n2\"\n", Layout::default());
        assert_eq!(rows, [["x, \"y\"", "1\n2"]]);
    }

    #[test]
    fn a_quote_without_an_end_is_an_error_that_names_its_row() {
        let with = |row: usize, cells: &str| {
            let rows = (0..60).map(|at| if at == row { format!("{cells}\n") } else { format!("{at}.0,5,x\n") });
            format!("a,b,kind\n{}", rows.collect::<String>())
        };
        for cells in ["5.0,5,\"z", "5.0,\"5,z", "\"5.0,5,z"] {
            let error = read("x.csv", with(5, cells).into_bytes(), Layout::default()).unwrap_err();
            assert_eq!(error.code, Code::FileFormat);
            assert_eq!(error.what, "a quote that opens in row 5 of x.csv is never closed", "{cells}");
            assert!(error.received.contains("line 7"), "{error}");
        }
        let headless = Layout { header: Some(false), delimiter: None };
        let error = read("x.csv", b"1,2\n3,\"4\n".to_vec(), headless).unwrap_err();
        assert!(error.what.contains("in row 1 of"), "{error}");
        assert!(read("x.csv", b"\"a,b\n3,4\n".to_vec(), Layout::default()).unwrap_err().what.contains("the header"));
    }

    #[test]
    fn a_first_row_of_numbers_is_no_header() {
        let (names, cells) = rows(b"1,2\n3,4\n", Layout::default());
        assert_eq!((names, cells.len()), (vec!["0".to_owned(), "1".to_owned()], 2));
        let (names, cells) = rows(b"2019,2020\n3,4\n", Layout { header: Some(true), delimiter: None });
        assert_eq!((names, cells.len()), (vec!["2019".to_owned(), "2020".to_owned()], 1));
        let (names, cells) = rows(b"x,y\nx,z\n", Layout { header: Some(false), delimiter: None });
        assert_eq!((names, cells.len()), (vec!["0".to_owned(), "1".to_owned()], 2));
        // A decimal comma in a quoted cell is no separator.
        assert_eq!(rows(b"a,b\n\"1,5\",2\n", Layout::default()).1, [["1,5", "2"]]);
        assert_eq!(rows(b"a;b\n1,5;2\n", Layout::default()).1, [["1,5", "2"]]);
    }

    #[test]
    fn what_numbers_consist_of_may_separate_them() {
        for (delimiter, text) in [(b'.', b"a.b\n12.5\n"), (b'-', b"a-b\n12-5\n"), (b'0', b"a0b\n1205\n")] {
            let (names, cells) = rows(text, Layout { header: None, delimiter: Some(delimiter) });
            assert_eq!((names, cells), (vec!["a".to_owned(), "b".to_owned()], vec![vec!["12".into(), "5".into()]]));
        }
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let code = |text: &[u8]| read("x.csv", text.to_vec(), Layout::default()).unwrap_err();
        let error = code(b"a,b\n1,2\n3\n");
        assert_eq!((error.code, error.received.as_str()), (Code::FileFormat, "1"));
        assert!(error.what.starts_with("line 3 of x.csv"), "{error}");
        assert_eq!(code(b"").code, Code::Count);
        assert_eq!(code(b"a,b\n").code, Code::Count);
        assert_eq!(code(b"a,b\n\xe9,1\n").code, Code::FileFormat);
        assert!(code(b"a,b\n\xe9,1\n").received.contains("0xe9 in line 2"));
        assert_eq!(code(b"a\0b").code, Code::FileFormat);
    }

    /// Everything that a table has; numbers by their bits.
    fn all(table: &Table) -> (Vec<String>, Vec<String>, Vec<Option<Vec<u64>>>) {
        let columns = table.names().len();
        let cells = (0..table.rows() * columns).map(|at| format!("{:?}", table.cell(at / columns, at % columns)));
        let numbers = (0..columns).map(|column| {
            let cells = (0..table.rows()).map(|row| match table.cell(row, column) {
                Cell::Missing => Some(f64::NAN.to_bits()),
                Cell::Text(text) => number(text, false).map(f64::to_bits),
                Cell::Number(value) => Some(value.to_bits()),
            });
            cells.collect()
        });
        (table.names().to_vec(), cells.collect(), numbers.collect())
    }

    #[test]
    fn pieces_of_a_text_are_the_whole() {
        let long: String = (0..500).map(|row| format!("{row},{}e-3,x{},,NA\r\n", row * 37 % 101, row % 7)).collect();
        let texts = [
            &format!("a,b,c,d,e\n{long}"),
            "a,b\n1,2\n\n\r\n3,\n , 4 \r5,6\r\n\n",
            "a\n1\n\n2",
            "\u{feff}a;b\n1;2\n3;x",
            "sep=;\na;b\n1;2\n",
            "1,2\n3,4",
            "a,b\n",
            "a,b",
            "ä|b\nü|1.5\n|-0",
            "a,b\n1,2,3\n",
            "a,b\n1\n",
            "a,b\n1,2\n3",
            "a,b,c\n1,2,3\n4,x,NA\n5,6,7\ny,,8\n9,10,z\n",
            "a,b\n-0.5,12345678901234567890\n1.e1,9007199254740993\n.25,-.5\n-,1e3\n3.,+4\n-0,0.30000000000000004",
        ];
        for text in texts {
            let read = |piece| read_in("x.csv", text.as_bytes().to_vec(), Layout::default(), piece);
            let expected = slowly(text);
            for piece in [1, 3, 7, 64, 1 << 20] {
                match (read(piece), &expected) {
                    (Ok(found), Ok(expected)) => {
                        assert_eq!(all(&found), all(expected), "{text:?} in pieces of {piece}");
                        for column in 0..found.names().len() {
                            let numbers = found.numbers(column).map(|numbers| numbers.of(0..found.rows()));
                            let bits = numbers.map(|values| values.map(f64::to_bits).collect::<Vec<_>>());
                            assert_eq!(bits, all(expected).2[column], "{text:?}");
                        }
                    }
                    (Err(found), Err(expected)) => assert_eq!(found, *expected, "{text:?}"),
                    (found, expected) => panic!("{text:?}: {found:?}, expected {expected:?}"),
                }
            }
        }
    }

    /// As the library alone reads it: a second mark, which it takes off, keeps the pieces away.
    fn slowly(text: &str) -> Result<Table> {
        let (rest, _) = stated_delimiter(text.trim_start_matches(MARK));
        let stated = &text.trim_start_matches(MARK)[..text.trim_start_matches(MARK).len() - rest.len()];
        read("x.csv", format!("{MARK}{stated}{MARK}{rest}").into_bytes(), Layout::default())
    }
}
