//! NumPy's files: `.npy` holds an array, `.npz` is a ZIP archive of them.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use zip::ZipArchive;

use super::cells::Table;
use super::load::{LoadedTable, TableOptions, from_table};
use crate::data::dataset::check_limit;
use crate::data::source::open_file;
use crate::data::{Dataset, InputShape, Pixels};
use crate::memory::reserved;
use crate::{Code, Error, Result};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header: those of NumPy have 118 bytes, or a few more for many sizes.
const MAX_HEADER: usize = 1 << 16;
/// Most bytes of the arrays of an archive, unpacked.
const MAX_BYTES: u64 = 4 << 30;
/// Most arrays of an archive.
const MAX_ARRAYS: usize = 1024;

/// Names of arrays in archives, best first; those of Keras, scikit-learn and PyTorch users.
const SAMPLES: [&str; 8] = ["x_train", "train_images", "x", "images", "inputs", "data", "features", "arr_0"];
const LABELS: [&str; 7] = ["y_train", "train_labels", "y", "labels", "label", "target", "targets"];
const TEST_SAMPLES: [&str; 2] = ["x_test", "test_images"];
const TEST_LABELS: [&str; 2] = ["y_test", "test_labels"];

/// Samples that stay what they are, and perhaps their labels and those of a test.
#[derive(Debug)]
pub(super) struct Arrays {
    samples: Array,
    labels: Option<Array>,
    test: Option<(Array, Option<Array>)>,
    /// The other names of an archive, for errors.
    arrays: BTreeMap<String, Array>,
}

/// An array in row-major order.
#[derive(Clone, Debug, PartialEq)]
struct Array {
    shape: Vec<usize>,
    values: Values,
}

#[derive(Clone, Debug, PartialEq)]
enum Values {
    /// Unsigned bytes.
    Bytes(Vec<u8>),
    Numbers(Vec<f64>),
    Texts(Vec<String>),
}

/// Reads a `.npy` file; `name` is that of the file, for errors.
///
/// # Errors
/// [`Code::FileFormat`], [`Code::FileTruncated`], [`Code::Memory`].
pub(super) fn read(name: &str, bytes: &[u8]) -> Result<Arrays> {
    Ok(Arrays { samples: array(name, bytes)?, labels: None, test: None, arrays: BTreeMap::new() })
}

/// Reads a `.npz` file.
///
/// # Errors
/// As [`read`], and [`Code::FileNotFound`], [`Code::Io`].
pub(super) fn archive(path: &Path) -> Result<Arrays> {
    let name = path.display().to_string();
    let broken = |error: &dyn std::fmt::Display| {
        Error::new(Code::FileFormat, format!("{name} is not a sound .npz file")).received(error.to_string())
    };
    let mut archive = ZipArchive::new(open_file(path)?).map_err(|error| broken(&error))?;
    if archive.len() > MAX_ARRAYS {
        return Err(broken(&format!("{} files", archive.len())));
    }
    let mut arrays = BTreeMap::new();
    let mut left = MAX_BYTES;
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).map_err(|error| broken(&error))?;
        let key = file.name().map_err(|error| broken(&error))?.strip_suffix(".npy").map(str::to_owned);
        let Some(key) = key else { continue };
        let inside = format!("{key} in {name}");
        // What is claimed is not believed: bytes are counted as they come.
        let mut bytes = Vec::new();
        let taken = Read::by_ref(&mut file).take(left + 1).read_to_end(&mut bytes).map_err(|error| broken(&error))?;
        left = left.checked_sub(taken as u64).ok_or_else(|| broken(&format!("more than {MAX_BYTES} bytes")))?;
        arrays.insert(key, array(&inside, &bytes)?);
    }
    let mut take = |names: &[&str]| names.iter().find_map(|name| arrays.remove(*name));
    let samples = take(&SAMPLES);
    let (labels, test, test_labels) = (take(&LABELS), take(&TEST_SAMPLES), take(&TEST_LABELS));
    let Some(samples) = samples else {
        let names: Vec<_> = arrays.keys().take(20).cloned().collect();
        return Err(Error::new(Code::FileFormat, format!("{name} has no array of samples"))
            .expected(format!("one called {}", SAMPLES.join(", ")))
            .received(if names.is_empty() { "no array at all".to_owned() } else { names.join(", ") }));
    };
    Ok(Arrays { samples, labels, test: test.map(|test| (test, test_labels)), arrays })
}

impl Arrays {
    /// Rows of numbers without labels of their own as a table; pictures and bytes are none.
    pub(super) fn into_table(self) -> std::result::Result<Table, Self> {
        match (&self.samples, &self.labels) {
            (Array { shape, values: Values::Numbers(values) }, None) if shape.len() == 2 && self.test.is_none() => {
                Table::of_numbers(shape[1], values.clone()).map_err(|_| self)
            }
            _ => Err(self),
        }
    }
}

/// Makes data sets of arrays: vectors of numbers are standardised as a table's columns are, bytes are divided by 255, and
/// pictures of numbers stay as they are.
pub(super) fn load(
    name: &str,
    arrays: Arrays,
    test: Option<(String, Option<Arrays>)>,
    options: &TableOptions,
) -> Result<LoadedTable> {
    check_limit(options.limit)?;
    for (option, given) in [("columns", options.columns.is_some()), ("ignore", !options.ignore.is_empty())] {
        if given {
            return Err(Error::new(Code::Option, format!("option {option} does not apply to the arrays of {name}"))
                .expected("a table with columns"));
        }
    }
    let Arrays { samples, mut labels, test: own_test, mut arrays } = arrays;
    if let Some(label) = &options.label {
        let known = LABELS.contains(&label.as_str()) && labels.is_some();
        if let Some(array) = arrays.remove(label) {
            labels = Some(array);
        } else if !known {
            return Err(Error::new(Code::Option, format!("{name} has no array {label:?}"))
                .expected(format!("one of {:?}", arrays.keys().collect::<Vec<_>>()))
                .received(format!("{label:?}")));
        }
    }
    let test = match test {
        None => own_test.map(|(samples, labels)| (name.to_owned(), samples, labels)),
        Some((name, Some(arrays))) => Some((name, arrays.samples, arrays.labels)),
        Some((name, None)) => return Err(Error::new(Code::FileFormat, format!("{name} holds no arrays of samples"))),
    };
    // Rows of numbers are a table whose labels stand beside it.
    if samples.shape.len() == 2 && matches!(samples.values, Values::Numbers(_)) {
        let table = samples.with_column(labels.as_ref(), name)?;
        let label = labels.is_some().then(|| (table.names().len() - 1).to_string());
        let test = match test {
            Some((name, samples, labels)) => Some((samples.with_column(labels.as_ref(), &name)?, name)),
            None => None,
        };
        let options = TableOptions { label, ..options.clone() };
        return from_table(name, &table, test.as_ref().map(|(table, name)| (name.as_str(), table)), &options);
    }
    let data = samples.into_dataset(labels, name)?;
    let data = if let Some(limit) = options.limit { data.truncate(limit)? } else { data };
    if let Some((name, samples, labels)) = test {
        let test = samples.into_dataset(labels, &name)?;
        return Ok(LoadedTable { train: data, test: Some(test), notes: Vec::new() });
    }
    let Some(share) = options.test_split else { return Ok(LoadedTable { train: data, test: None, notes: Vec::new() }) };
    let (train, test) = data.split(share, options.seed)?;
    Ok(LoadedTable { train, test: Some(test), notes: Vec::new() })
}

impl Array {
    /// The rows of a matrix, and the labels as the last column.
    fn with_column(self, labels: Option<&Self>, name: &str) -> Result<Table> {
        let (Values::Numbers(values), [rows, width]) = (self.values, &self.shape[..]) else {
            return Err(Error::new(Code::Shape, format!("the test samples of {name} are no rows of numbers")));
        };
        let Some(labels) = labels else { return Table::of_numbers(*width, values) };
        labels.check_labels(*rows, name)?;
        let mut all = reserved(rows * (width + 1), "the cells of the table")?;
        let texts: &[String] = if let Values::Texts(texts) = &labels.values { texts } else { &[] };
        if texts.is_empty() {
            for (row, label) in values.chunks(*width).zip(labels.numbers()) {
                all.extend_from_slice(row);
                all.push(label);
            }
            return Table::of_numbers(width + 1, all);
        }
        use super::cells::Value;
        let mut cells = reserved(rows * (width + 1), "the cells of the table")?;
        for (row, label) in values.chunks(*width).zip(texts) {
            cells.extend(row.iter().map(|value| if value.is_nan() { Value::Missing } else { Value::Number(*value) }));
            cells.push(Value::Text(label.clone()));
        }
        Table::of_values((0..=*width).map(|column| column.to_string()).collect(), cells)
    }

    fn numbers(&self) -> Vec<f64> {
        match &self.values {
            Values::Bytes(values) => values.iter().map(|value| f64::from(*value)).collect(),
            Values::Numbers(values) => values.clone(),
            Values::Texts(_) => Vec::new(),
        }
    }

    /// Labels are a list `[n]` or `[n, 1]`.
    fn check_labels(&self, samples: usize, name: &str) -> Result<()> {
        match self.shape[..] {
            [count] | [count, 1] if count == samples => Ok(()),
            [count] | [count, 1] => {
                Err(Error::new(Code::Count, format!("samples and labels of {name} differ in number"))
                    .expected(format!("{samples} labels"))
                    .received(format!("{count} labels")))
            }
            _ => Err(Error::new(Code::Shape, format!("the labels of {name} are no list"))
                .expected("an array of shape [samples]")
                .received(format!("shape {:?}", self.shape))
                .hint("one-hot rows become labels by labels.argmax(axis=1)")),
        }
    }

    fn into_dataset(self, labels: Option<Self>, name: &str) -> Result<Dataset> {
        let (samples, sizes) = match self.shape[..] {
            [] | [_] => {
                return Err(Error::new(Code::Shape, format!("the samples of {name} have too few dimensions"))
                    .expected("an array of shape [samples, …]")
                    .received(format!("shape {:?}", self.shape)));
            }
            [samples, ref sizes @ ..] => (samples, sizes),
        };
        let shape = InputShape::new(sizes)?;
        let pixels = match self.values {
            Values::Bytes(values) => Pixels::U8(values),
            Values::Numbers(values) => {
                let mut floats = reserved(values.len(), "the samples")?;
                floats.extend(values.iter().map(|value| *value as f32));
                Pixels::F32(floats)
            }
            Values::Texts(_) => {
                return Err(Error::new(Code::Value, format!("the samples of {name} are texts")).expected("numbers"));
            }
        };
        let Some(labels) = labels else { return Dataset::from_arrays(pixels, shape, None) };
        labels.check_labels(samples, name)?;
        if let Values::Texts(names) = labels.values {
            return Dataset::with_names(pixels, shape, &(0..samples as i32).collect::<Vec<_>>(), &names);
        }
        let whole = |(sample, label): (usize, f64)| {
            let is_whole = label.fract() == 0.0 && label.abs() < 2f64.powi(31);
            is_whole.then_some(label as i32).ok_or_else(|| {
                Error::new(Code::Label, format!("the label of sample {sample} of {name} is no class"))
                    .expected("a whole number of 32 bits")
                    .received(label.to_string())
            })
        };
        let labels = labels.numbers().into_iter().enumerate().map(whole).collect::<Result<_>>()?;
        Dataset::from_arrays(pixels, shape, Some(labels))
    }
}

/// Kinds of value: the letter and the bytes of a number.
fn array(name: &str, bytes: &[u8]) -> Result<Array> {
    let refused = |what: String, received: String| {
        Error::new(Code::FileFormat, format!("{name} {what}"))
            .expected("an array of numbers, booleans or texts, as numpy.save writes it")
            .received(received)
    };
    let truncated = || {
        Error::new(Code::FileTruncated, format!("{name} ends too early"))
            .hint("the file is damaged or its download stopped early; fetch it again")
    };
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        let start = bytes.get(..4).unwrap_or(bytes);
        return Err(refused("is not a NumPy array".to_owned(), format!("bytes {start:02x?}")));
    };
    let (header, data) = match *rest {
        [1, _, low, high, ref rest @ ..] => rest.split_at_checked(usize::from(u16::from_le_bytes([low, high]))),
        [2 | 3, _, a, b, c, d, ref rest @ ..] => {
            let len = u32::from_le_bytes([a, b, c, d]) as usize;
            if len > MAX_HEADER { None } else { rest.split_at_checked(len) }
        }
        _ => None,
    }
    .ok_or_else(truncated)?;
    let header = String::from_utf8_lossy(header);
    let unreadable = || refused("has a header that cannot be read".to_owned(), header.chars().take(80).collect());
    let after = |key: &str| header.split_once(key).map(|(_, rest)| rest.trim_start_matches(['\'', '"', ':', ' ']));
    let kind = after("descr").and_then(|rest| rest.split(['\'', '"']).next()).ok_or_else(unreadable)?;
    let is_fortran = after("fortran_order").ok_or_else(unreadable)?.starts_with("True");
    let sizes = after("shape").and_then(|rest| rest.strip_prefix('(')?.split_once(')')).ok_or_else(unreadable)?.0;
    let sizes = sizes.split(',').map(str::trim).filter(|size| !size.is_empty());
    let shape = sizes.map(str::parse::<usize>).collect::<std::result::Result<Vec<_>, _>>().map_err(|_| unreadable())?;
    let count = shape.iter().try_fold(1usize, |product, size| product.checked_mul(*size)).ok_or_else(unreadable)?;
    let (order, letter) = (kind.chars().next().unwrap_or(' '), kind.get(1..2).unwrap_or_default());
    let size = kind.get(2..).and_then(|size| size.parse::<usize>().ok()).ok_or_else(|| {
        refused(
            "holds values of a kind that is not read".to_owned(),
            format!("{:?}", kind.chars().take(40).collect::<String>()),
        )
    })?;
    let big = order == '>';
    let unit = if letter == "U" { size.checked_mul(4).ok_or_else(unreadable)? } else { size };
    if unit == 0 || shape.len() > 32 {
        return Err(unreadable());
    }
    let len = count.checked_mul(unit).ok_or_else(truncated)?;
    let data = data.get(..len).ok_or_else(truncated)?;
    let place = |index: usize| if is_fortran { fortran(index, &shape) } else { index };
    let cell = |index: usize| &data[place(index) * unit..(place(index) + 1) * unit];
    let values = match (letter, size) {
        ("u", 1) => {
            let mut values = reserved(count, "the values of an array")?;
            if is_fortran {
                values.extend((0..count).map(|index| cell(index)[0]))
            } else {
                values.extend_from_slice(data)
            }
            Values::Bytes(values)
        }
        ("U", _) => Values::Texts((0..count).map(|index| text(cell(index), big)).collect()),
        _ => {
            let read = reader(letter, size)
                .ok_or_else(|| refused("holds values of a kind that is not read".to_owned(), format!("{kind:?}")))?;
            let mut values = reserved(count, "the values of an array")?;
            values.extend((0..count).map(|index| {
                let mut bytes = [0; 8];
                bytes[..size].copy_from_slice(cell(index));
                if big {
                    bytes[..size].reverse();
                }
                read(bytes)
            }));
            Values::Numbers(values)
        }
    };
    Ok(Array { shape, values })
}

/// Reads a number from its little-endian bytes.
fn reader(letter: &str, size: usize) -> Option<fn([u8; 8]) -> f64> {
    Some(match (letter, size) {
        ("b", 1) => |bytes| f64::from(u8::from(bytes[0] != 0)),
        ("i", 1) => |bytes| f64::from(bytes[0] as i8),
        ("i", 2) => |bytes| f64::from(i16::from_le_bytes([bytes[0], bytes[1]])),
        ("i", 4) => |bytes| f64::from(i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])),
        ("i", 8) => |bytes| i64::from_le_bytes(bytes) as f64,
        ("u", 2) => |bytes| f64::from(u16::from_le_bytes([bytes[0], bytes[1]])),
        ("u", 4) => |bytes| f64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])),
        ("u", 8) => |bytes| u64::from_le_bytes(bytes) as f64,
        ("f", 2) => |bytes| half(u16::from_le_bytes([bytes[0], bytes[1]])),
        ("f", 4) => |bytes| f64::from(f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])),
        ("f", 8) => f64::from_le_bytes,
        _ => return None,
    })
}

/// An IEEE 754 half.
fn half(bits: u16) -> f64 {
    let (sign, exponent, fraction) =
        (if bits >> 15 == 1 { -1.0 } else { 1.0 }, i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    }
}

/// A text of four bytes a character, which NUL fills up.
fn text(bytes: &[u8], big: bool) -> String {
    let code = |unit: &[u8]| {
        let unit = [unit[0], unit[1], unit[2], unit[3]];
        if big { u32::from_be_bytes(unit) } else { u32::from_le_bytes(unit) }
    };
    let codes = bytes.chunks_exact(4).map(code).take_while(|code| *code != 0);
    codes.map(|code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// Where in column-major order the value is that is the `index`th in row-major order.
fn fortran(mut index: usize, shape: &[usize]) -> usize {
    let (mut place, mut stride) = (0, shape.iter().product::<usize>());
    for size in shape.iter().rev() {
        stride /= size;
        place += index % size * stride;
        index /= size;
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(kind: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': ({shape}), }}\n");
        let len = (header.len() as u16).to_le_bytes();
        [MAGIC, &[1, 0], &len, header.as_bytes(), data].concat()
    }

    #[test]
    fn orders_and_kinds() {
        let array =
            |kind: &str, order: &str, shape: &str, data: &[u8]| array("x", &npy(kind, order, shape, data)).unwrap();
        assert_eq!(array("|u1", "False", "2, 2", &[1, 2, 3, 4]).values, Values::Bytes(vec![1, 2, 3, 4]));
        assert_eq!(array("|u1", "True", "2, 2", &[1, 2, 3, 4]).values, Values::Bytes(vec![1, 3, 2, 4]));
        assert_eq!(array(">i2", "False", "2,", &[0, 1, 255, 255]).values, Values::Numbers(vec![1.0, -1.0]));
        assert_eq!(
            array("<f2", "False", "3,", &[0, 0x3c, 0, 0xc0, 1, 0]).values,
            Values::Numbers(vec![1.0, -2.0, 2f64.powi(-24)])
        );
        assert_eq!(array("|b1", "False", "2,", &[0, 1]).values, Values::Numbers(vec![0.0, 1.0]));
        let cat: Vec<u8> = "cat\0".chars().flat_map(|letter| u32::from(letter).to_le_bytes()).collect();
        assert_eq!(array("<U4", "False", "1,", &cat).values, Values::Texts(vec!["cat".to_owned()]));
        assert_eq!(fortran(5, &[2, 3, 4]), 8);
    }

    #[test]
    fn hostile_headers_are_refused() {
        let code = |bytes: &[u8]| array("x", bytes).unwrap_err().code;
        assert_eq!(code(b"\x93NUMPY"), Code::FileTruncated);
        assert_eq!(code(b"PK"), Code::FileFormat);
        assert_eq!(code(&npy("|u1", "False", "5,", &[1, 2])), Code::FileTruncated);
        assert_eq!(code(&npy("|u1", "False", "18446744073709551615, 3", &[1, 2])), Code::FileFormat);
        assert_eq!(code(&npy("<f8", "False", "2305843009213693952,", &[1, 2])), Code::FileTruncated);
        for kind in ["|O", "<c8", "<M8[ns]", "|S3", "<f16", "<U18446744073709551615", "é"] {
            assert_eq!(code(&npy(kind, "False", "1,", &[0; 16])), Code::FileFormat, "{kind}");
        }
        assert_eq!(code(&npy("|u1", "False", "-1,", &[1])), Code::FileFormat);
    }
}
