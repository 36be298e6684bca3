//! Tables as data sets.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::cells::{Cell, Table, number};
use super::columns::{Chosen, choose};
use super::numpy::{self, Arrays};
use super::{delimited, json};
use crate::data::preprocessing::{Preprocessing, TableSteps};
use crate::data::source::Source;
use crate::data::split::stratified;
use crate::data::{Classes, Dataset, InputShape, Pixels, foreign};
use crate::memory::zeros;
use crate::{Code, Error, Result};

/// Most bytes of a file, unpacked: places in it are kept in 32 bits.
const MAX_BYTES: usize = u32::MAX as usize;

/// How a table becomes data sets. The default takes all columns, without labels.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TableOptions {
    /// The column of the labels; in a `.npz` the array.
    pub label: Option<String>,
    /// The columns to take. Default: all but the label.
    pub columns: Option<Vec<String>>,
    /// Columns to leave out.
    pub ignore: Vec<String>,
    /// Columns of numbers that are categories (postcodes, say).
    pub categories: Vec<String>,
    /// Whether the first row names the columns. Default: if no cell of it is a number.
    pub header: Option<bool>,
    /// What separates the cells of a text. Default: what separates most of comma, semicolon, tab and bar.
    pub delimiter: Option<String>,
    /// Share of the rows to hold out for the test, of each class alike.
    pub test_split: Option<f64>,
    /// Seed of the choice of those rows.
    pub seed: u64,
    /// Take only the first rows.
    pub limit: Option<usize>,
    /// What another table, that of the training, has taught. Default: it is learned from this table.
    pub preprocessing: Option<Preprocessing>,
}

/// Where rows are.
#[derive(Clone, Debug)]
pub enum TableSource {
    /// A file; what it is follows from its name, and else it is CSV.
    File(PathBuf),
    /// Rows as JSON.
    Rows(String),
}

/// What was made of a table.
#[derive(Debug)]
pub struct LoadedTable {
    /// The samples to train on.
    pub train: Dataset,
    /// The samples held out, if any are.
    pub test: Option<Dataset>,
    /// What users should know of the reading: columns that were left out, and the like.
    pub notes: Vec<String>,
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

/// As [`load_table`], of tables that have been read.
pub(super) fn from_table(
    name: &str,
    table: &Table,
    test: Option<(&str, &Table)>,
    options: &TableOptions,
) -> Result<LoadedTable> {
    let rows = options.limit.unwrap_or(usize::MAX).min(table.rows());
    super::super::dataset::check_limit(options.limit)?;
    let mut notes = Vec::new();
    let known = match &options.preprocessing {
        None => None,
        Some(Preprocessing::Table(steps)) => Some(steps),
        Some(_) => {
            return Err(Error::new(Code::Option, format!("option preprocessing is not that of a table, as {name} is"))
                .expected("the preprocessing of a table")
                .hint("the model takes other data"));
        }
    };
    let label = match known {
        // What is predicted has no labels, or they are not looked at.
        Some(steps) => options.label.as_ref().or(steps.label.as_ref()).filter(|label| table.column(label).is_some()),
        None => options.label.as_ref(),
    };
    let labels = label.map(|label| Labels::read(name, table, column(name, table, label)?, rows)).transpose()?;
    let (train, held) = match (options.test_split, &labels) {
        (Some(share), Some(labels)) => stratified(&labels.positions()?, share, options.seed)?,
        (Some(share), None) => stratified(&vec![0; rows], share, options.seed)?,
        (None, _) => ((0..rows).collect(), Vec::new()),
    };
    let steps = match known {
        Some(steps) => steps.clone(),
        None => {
            let chosen = Chosen { label: label.map(String::as_str), options };
            TableSteps { label: label.cloned(), columns: choose(name, table, &train, &chosen, &mut notes)? }
        }
    };
    let shape = InputShape::new(&[steps.width()]).map_err(|_| {
        Error::new(Code::Count, format!("{name} has no columns to learn from"))
            .expected("at least one column beside the label")
            .received(if table.names().len() == 1 { "one column" } else { "none that is chosen and has values" })
    })?;
    let preprocessing = Arc::new(Preprocessing::Table(steps.clone()));
    let steps = &steps;
    let make = |name: &str, table: &Table, rows: &[usize], labels: Option<&Labels>| -> Result<Dataset> {
        let pixels = Pixels::F32(encode(name, table, rows, steps)?);
        let data = match labels {
            None => Dataset::from_arrays(pixels, shape, None),
            Some(labels) => labels.of(rows).into_dataset(pixels, shape),
        };
        Ok(data?.with_preprocessing(preprocessing.clone()))
    };
    let test = match test {
        Some((name, table)) => {
            let rows: Vec<usize> = (0..table.rows()).collect();
            let labels =
                label.map(|label| Labels::read(name, table, column(name, table, label)?, rows.len())).transpose()?;
            Some(make(name, table, &rows, labels.as_ref())?)
        }
        None if held.is_empty() => None,
        None => Some(make(name, table, &held, labels.as_ref())?),
    };
    Ok(LoadedTable { train: make(name, table, &train, labels.as_ref())?, test, notes })
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
        "npy" => numpy::read(&name, &bytes(path)?)?.into(),
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
            delimited::read(&name, &bytes, layout)?.into()
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
            Err(arrays) => Self::Arrays(arrays),
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
    Source::open(path)?.read_rest(MAX_BYTES)
}

fn column(file: &str, table: &Table, name: &str) -> Result<usize> {
    table.column(name).ok_or_else(|| super::columns::no_column(file, table, name))
}

/// One label a row.
enum Labels {
    Values(Vec<i32>),
    Names { names: Vec<String>, labels: Vec<i32> },
}

impl Labels {
    /// Whole numbers where all are, else texts.
    fn read(file: &str, table: &Table, column: usize, rows: usize) -> Result<Self> {
        let name = &table.names()[column];
        let refused = |row: usize, what: &str| {
            Error::new(Code::Label, format!("the label of row {row} of {file} {what} (column {name:?})"))
                .expected("a whole number or a text")
                .hint("rows are counted from 0, without the header")
        };
        let whole = |cell: Cell<'_>| match cell {
            Cell::Number(number) => Some(number),
            Cell::Text(text) => number(text, false),
            Cell::Missing => None,
        };
        let as_label = |number: f64| (number.fract() == 0.0 && number.abs() < 2f64.powi(31)).then_some(number as i32);
        let (mut values, mut names, mut labels) = (Vec::new(), Vec::<String>::new(), Vec::new());
        let mut places = std::collections::HashMap::new();
        let (mut numbers, mut fraction) = (true, None);
        for row in 0..rows {
            let cell = table.cell(row, column);
            let text = match cell {
                Cell::Missing => return Err(refused(row, "is missing")),
                Cell::Text(text) => std::borrow::Cow::Borrowed(text),
                Cell::Number(number) => std::borrow::Cow::Owned(number.to_string()),
            };
            match whole(cell) {
                None => numbers = false,
                Some(number) => match as_label(number) {
                    Some(label) => values.push(label),
                    None => fraction = fraction.or(Some(row)),
                },
            }
            let place = *places.entry(text.clone()).or_insert_with(|| {
                names.push(text.into_owned());
                names.len() as i32 - 1
            });
            labels.push(place);
        }
        match fraction {
            _ if !numbers => Ok(Self::Names { names, labels }),
            None => Ok(Self::Values(values)),
            Some(row) => Err(refused(row, "is no class")
                .received(format!("{:?}", table.cell(row, column)))
                .hint("this package classifies; numbers with fractions need classes, or another column is the label")),
        }
    }

    fn of(&self, rows: &[usize]) -> Self {
        let pick = |labels: &[i32]| rows.iter().map(|row| labels[*row]).collect();
        match self {
            Self::Values(values) => Self::Values(pick(values)),
            Self::Names { names, labels } => Self::Names { names: names.clone(), labels: pick(labels) },
        }
    }

    fn into_dataset(self, pixels: Pixels, shape: InputShape) -> Result<Dataset> {
        match self {
            Self::Values(values) => Dataset::from_arrays(pixels, shape, Some(values)),
            Self::Names { names, labels } => Dataset::with_names(pixels, shape, &labels, &names),
        }
    }

    /// The class of each row, counted in increasing order, so that it does not depend on how labels are written.
    fn positions(&self) -> Result<Vec<u32>> {
        let pixels = Pixels::U8(vec![0; self.len()]);
        let data = self.of(&(0..self.len()).collect::<Vec<_>>()).into_dataset(pixels, InputShape::Vector { len: 1 })?;
        let classes: Classes = data.classes().clone();
        data.class_indices(&classes)
    }

    fn len(&self) -> usize {
        match self {
            Self::Values(labels) | Self::Names { labels, .. } => labels.len(),
        }
    }
}

/// The samples of rows, `[rows, width]`.
fn encode(file: &str, table: &Table, rows: &[usize], steps: &TableSteps) -> Result<Vec<f32>> {
    let width = steps.width();
    let mut out = zeros::<f32>(rows.len().saturating_mul(width), "the samples of the table")?;
    let mut offset = 0;
    for column in &steps.columns {
        let place = table.column(column.name()).ok_or_else(|| {
            let mut error = super::columns::no_column(file, table, column.name());
            error.code = Code::Value;
            error.what = format!("{file} lacks the column {:?}, which the model was trained with", column.name());
            error
        })?;
        super::columns::encode(file, table, place, rows, column, &mut out[offset..], width)?;
        offset += column.width();
    }
    Ok(out)
}
