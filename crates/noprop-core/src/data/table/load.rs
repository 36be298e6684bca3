//! Files of tables, and rows as JSON.

use std::path::{Path, PathBuf};

use super::cells::Table;
use super::numpy::{self, Arrays};
use super::options::{LoadedTable, TableOptions};
use super::samples::from_table;
use super::{delimited, json, npy};
use crate::data::foreign;
use crate::data::source::Source;
use crate::{Code, Error, Result};

/// Most bytes of a file, unpacked: places in it are kept in 32 bits.
const MAX_BYTES: usize = u32::MAX as usize;

/// Where rows are.
#[derive(Clone, Debug)]
pub enum TableSource {
    /// A file; what it is follows from its name, and else it is CSV.
    File(PathBuf),
    /// Rows as JSON.
    Rows(String),
}

/// Reads a table, and that of the test if there is one.
///
/// Numbers are standardised by the mean and the standard deviation of the training rows, texts become one-hot. Missing numbers
/// count as the mean, missing categories and those that the training rows have not as none.
///
/// # Errors
/// [`Code::FileNotFound`], [`Code::FileFormat`], [`Code::FileTruncated`], [`Code::Io`]; [`Code::Option`] for columns that are not
/// there; [`Code::Value`] and [`Code::Label`] for cells; [`Code::Count`] without rows or columns; [`Code::Memory`].
pub fn load_table(source: &TableSource, test: Option<&TableSource>, options: &TableOptions) -> Result<LoadedTable> {
    if test.is_some() && options.test_split.is_some() {
        return Err(Error::new(Code::Option, "option test and option testSplit are both given").expected("one of them"));
    }
    let layout = layout(options)?;
    let (name, read) = open(source, layout)?;
    let table = match read {
        Read::Table(table) => table,
        Read::Arrays(arrays) => {
            let test = test.map(|test| open(test, layout)).transpose()?;
            return numpy::load(&name, arrays, test.map(|(name, read)| (name, read.arrays())), options);
        }
    };
    let tested = match test.map(|test| open(test, layout)).transpose()? {
        Some((name, Read::Table(table))) => Some((name, table)),
        Some((name, Read::Arrays(_))) => {
            return Err(
                Error::new(Code::FileFormat, format!("{name} is no table of rows")).expected("as the training data")
            );
        }
        None => None,
    };
    from_table(&name, &table, tested.as_ref().map(|(name, table)| (name.as_str(), table)), options)
}

/// What a file holds.
enum Read {
    Table(Table),
    Arrays(Arrays),
}

impl Read {
    fn arrays(self) -> Option<Arrays> {
        match self {
            Self::Arrays(arrays) => Some(arrays),
            Self::Table(_) => None,
        }
    }
}

fn layout(options: &TableOptions) -> Result<delimited::Layout> {
    let delimiter = match options.delimiter.as_deref() {
        None => None,
        Some("tab" | "\\t") => Some(b'\t'),
        Some(text) => match text.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Some(*byte),
            _ => {
                return Err(Error::new(Code::Option, "option delimiter cannot be used")
                    .expected("one character, such as , or ;, or tab")
                    .received(format!("{text:?}")));
            }
        },
    };
    Ok(delimited::Layout { header: options.header, delimiter })
}

/// Reads a source; returns its name for errors, too.
fn open(source: &TableSource, layout: delimited::Layout) -> Result<(String, Read)> {
    let path = match source {
        TableSource::Rows(text) => {
            return Ok(("the table".to_owned(), Read::Table(json::read("the table", text.as_bytes())?)));
        }
        TableSource::File(path) => path,
    };
    let name = path.display().to_string();
    let read = match kind(path).as_str() {
        "npz" => numpy::archive(path)?.into(),
        "npy" => Arrays::of(npy::read(&name, &bytes(path)?)?).into(),
        "ndjson" | "jsonl" | "json" => json::read(&name, &bytes(path)?)?.into(),
        _ => {
            let bytes = bytes(path)?;
            // JSON, web pages and plain text are texts; their rows tell.
            let start = &bytes[..bytes.len().min(foreign::START)];
            if let Some(found) = foreign::recognise(start)
                && !["plain text", "JSON text"].contains(&found.what)
            {
                let error = Error::new(Code::FileFormat, format!("{name} is not a table"));
                return Err(foreign::explain(error.expected("CSV, TSV, NDJSON, .npy or .npz"), start));
            }
            delimited::read(&name, bytes, layout)?.into()
        }
    };
    Ok((name, read))
}

impl From<Table> for Read {
    fn from(table: Table) -> Self {
        Self::Table(table)
    }
}

impl From<Arrays> for Read {
    fn from(arrays: Arrays) -> Self {
        // Vectors are rows of numbers; pictures stay what they are.
        match arrays.into_table() {
            Ok(table) => Self::Table(table),
            Err(arrays) => Self::Arrays(*arrays),
        }
    }
}

/// The last part of a file's name in lower case, without `.gz`.
fn kind(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.rsplit_once('.').map_or(String::new(), |(_, kind)| kind.to_owned())
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    Source::open(path)?.read_whole(MAX_BYTES)
}
