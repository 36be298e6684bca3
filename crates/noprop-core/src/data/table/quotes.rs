//! Quotes that are opened and never closed: they swallow the rows behind them.

use crate::{Code, Error};

/// A quote that opens a cell and has no end, or one in the middle of another cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unclosed {
    /// The row that it opens in, from 0, the header counted.
    row: usize,
    /// Its line, from 1.
    line: usize,
}

impl Unclosed {
    /// The first one of a text. A quote opens a cell where it is the cell's first character, as the library `csv` has it.
    pub fn find(text: &str, delimiter: u8) -> Option<Self> {
        let bytes = text.as_bytes();
        let is_end = |byte: u8| matches!(byte, b'\n' | b'\r');
        let (mut at, mut row, mut line) = (0, 0, 1);
        let mut is_first = true;
        while at < bytes.len() {
            // Lines of nothing are no rows.
            if is_first && is_end(bytes[at]) {
                line += usize::from(bytes[at] == b'\n');
                at += 1;
                continue;
            }
            if bytes[at] == b'"' {
                let opened = Self { row, line };
                let Some(close) = closing(bytes, at + 1) else { return Some(opened) };
                let lines = bytes[at..close].iter().filter(|byte| **byte == b'\n').count();
                let is_broken = lines > 0 || bytes[at..close].contains(&b'\r');
                let next = bytes[close + 1..].iter().copied().find(|byte| *byte != b' ' || delimiter == b' ');
                if is_broken && next.is_some_and(|byte| byte != delimiter && !is_end(byte)) {
                    return Some(opened);
                }
                (at, line) = (close + 1, line + lines);
            }
            at += bytes[at..].iter().position(|byte| *byte == delimiter || is_end(*byte)).unwrap_or(bytes.len() - at);
            is_first = bytes.get(at).copied().is_some_and(is_end);
            row += usize::from(is_first);
            line += usize::from(bytes.get(at) == Some(&b'\n'));
            at += 1;
        }
        None
    }

    /// The error of the file `name`.
    pub fn error(self, name: &str, has_header: bool) -> Error {
        let place = match self.row.checked_sub(usize::from(has_header)) {
            Some(row) => format!("row {row}"),
            None => "the header".to_owned(),
        };
        Error::new(Code::FileFormat, format!("a quote that opens in {place} of {name} is never closed"))
            .expected("a second quote at the end of the cell")
            .received(format!("none behind the one in line {}", self.line))
            .hint("close the quote or take it away; rows are counted from 0, without the header")
    }
}

/// Where the quote is that ends a cell whose content begins at `at`; two in a row are one of the content.
fn closing(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += bytes[at..].iter().position(|byte| *byte == b'"')?;
        if bytes.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_without_an_end_are_found() {
        let found = |text: &str| Unclosed::find(text, b',').map(|found| (found.row, found.line));
        for text in [
            "",
            "a,b\n",
            "\"a\",\"b\"\n\"1\",\"2\"",
            "a\n\"x, \"\"y\"\"\"\n",
            "a\n\"1\n2\"\r\n\"\"\n",
            "a,b\n5\" pipe,6\n7,8\" pipe\n",
            "a,b\n\"x\"y,6\n",
            "a\n\"1\n2\"  \n3",
        ] {
            assert_eq!(found(text), None, "{text:?}");
        }
        for (text, place) in [
            ("a,b\n1,x\n2,\"z\n3,x\n", (2, 3)),
            ("\"a,b\n1,x\n", (0, 1)),
            ("a,b\r\n\r\n\"1\n1\",x\r\n2,\"z\r\n", (2, 5)),
            ("a\n\"", (1, 2)),
            ("a\n\"x\"\"", (1, 2)),
            // The quote of a later cell ends it.
            ("a,b\n1,\"z\n2,\"x\"\n3,y\n", (1, 2)),
        ] {
            assert_eq!(found(text), Some(place), "{text:?}");
        }
    }
}
