//! NumPy's arrays as tables or samples; `.npz` is a ZIP archive of them.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use zip::ZipArchive;

use super::cells::{Table, Value};
use super::npy::{self, Array, UINT16, Values};
use super::options::{LoadedTable, TableOptions};
use super::samples::from_table;
use crate::data::dataset::check_limit;
use crate::data::source::open_file;
use crate::data::{Dataset, InputShape, Pixels};
use crate::memory::reserved;
use crate::{Code, Error, Result};

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

/// Reads a `.npz` file.
///
/// # Errors
/// [`Code::FileFormat`], [`Code::FileTruncated`], [`Code::Memory`], [`Code::FileNotFound`], [`Code::Io`].
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
        arrays.insert(key, npy::read(&inside, &bytes)?);
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
    /// One array, of a file of its own.
    pub fn of(samples: Array) -> Self {
        Self { samples, labels: None, test: None, arrays: BTreeMap::new() }
    }

    /// Rows of numbers without labels of their own as a table; pictures and bytes are none.
    pub fn into_table(self) -> std::result::Result<Table, Box<Self>> {
        match (&self.samples, &self.labels) {
            (Array { shape, values: Values::Numbers(values), .. }, None) if shape.len() == 2 && self.test.is_none() => {
                Table::of_numbers(shape[1], values.clone()).map_err(|_| Box::new(self))
            }
            _ => Err(Box::new(self)),
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
    let given = [
        ("columns", options.columns.is_some()),
        ("ignore", !options.ignore.is_empty()),
        ("target", !options.target.is_empty()),
    ];
    for (option, given) in given {
        if given {
            return Err(Error::new(Code::Option, format!("option {option} does not apply to the arrays of {name}"))
                .expected("a table with columns"));
        }
    }
    let Arrays { samples, mut labels, test: own_test, mut arrays } = arrays;
    samples.check_samples(name)?;
    if let (Some(label), None, true) = (&options.label, &labels, arrays.is_empty()) {
        return Err(Error::new(Code::Option, format!("{name} has no columns, so none is called {label:?}"))
            .expected("a matrix of numbers, whose columns are called 0, 1, 2, …")
            .received(match samples.values {
                Values::Bytes(_) => {
                    format!("bytes (uint8) of shape {:?}, which are samples as they are", samples.shape)
                }
                _ => format!("an array of shape {:?}, which are samples as they are", samples.shape),
            })
            .hint("save a matrix of bytes as x.astype('int16'), or samples and labels as x and y of one .npz file"));
    }
    if let Some(label) = &options.label {
        let known = LABELS.contains(&label.as_str()) && labels.is_some();
        if let Some(array) = arrays.remove(label) {
            labels = Some(array);
        } else if !known {
            return Err(Error::new(Code::Option, format!("{name} has no array {label:?}"))
                .expected(if arrays.is_empty() {
                    "that of the labels, which the file has".to_owned()
                } else {
                    format!("one of {}", arrays.keys().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", "))
                })
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
        return Ok(LoadedTable { train: data, test: Some(test), notes: Vec::new(), columns: Vec::new() });
    }
    let Some(share) = options.test_split else {
        return Ok(LoadedTable { train: data, test: None, notes: Vec::new(), columns: Vec::new() });
    };
    let (train, test) = data.split(share, options.seed)?;
    Ok(LoadedTable { train, test: Some(test), notes: Vec::new(), columns: Vec::new() })
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

    /// Samples have at least two dimensions, and there is one.
    fn check_samples(&self, name: &str) -> Result<()> {
        match self.shape[..] {
            [] | [_] => Err(Error::new(Code::Shape, format!("the samples of {name} have too few dimensions"))
                .expected("an array of shape [samples, …]")
                .received(format!("shape {:?}", self.shape))),
            [0, ..] => Err(Error::new(Code::Count, format!("{name} has no samples"))
                .expected("at least one")
                .received(format!("shape {:?}", self.shape))),
            _ => Ok(()),
        }
    }

    fn into_dataset(self, labels: Option<Self>, name: &str) -> Result<Dataset> {
        self.check_samples(name)?;
        let (samples, sizes) = (self.shape[0], &self.shape[1..]);
        let shape = InputShape::new(sizes)?;
        let pixels = match self.values {
            Values::Bytes(values) => Pixels::U8(values),
            Values::Numbers(values) => {
                let scale =
                    self.whole.filter(|_| sizes.len() > 1).map_or(Ok(1.0), |kind| scale(name, kind, &values))?;
                let mut floats = reserved(values.len(), "the samples")?;
                floats.extend(values.iter().map(|value| (*value / scale) as f32));
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

/// What pictures of whole numbers of that type are divided by, as bytes are by 255.
fn scale(name: &str, kind: &str, values: &[f64]) -> Result<f64> {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // Few numbers of 16 bits are those of bytes, which 65535 would make darkness of.
    match kind {
        _ if least >= -1.0 && greatest <= 1.0 => Ok(1.0),
        UINT16 if greatest > 255.0 => Ok(65535.0),
        _ => Err(Error::new(Code::Value, format!("the pictures of {name} are whole numbers of type {kind}"))
            .expected("uint8, uint16 that uses its range, or floats from 0 to 1")
            .received(format!("values from {least} to {greatest}"))
            .hint(
                "save them as x.astype('uint8') if they are from 0 to 255, else divide them by their greatest value",
            )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_whole_numbers_are_scaled_or_refused() {
        let load = |whole, values: [f64; 8]| {
            let array = Array { shape: vec![2, 2, 2], values: Values::Numbers(values.to_vec()), whole };
            array.into_dataset(None, "x").map(|data| data.sample(1).unwrap().to_vec())
        };
        let deep = [0.0, 1.0, 2.0, 3.0, 0.0, 13107.0, 65535.0, 257.0];
        assert_eq!(load(Some(UINT16), deep).unwrap(), [0.0, 0.2, 1.0, 257.0 / 65535.0]);
        assert_eq!(load(None, deep).unwrap()[2], 65535.0);
        let bytes = deep.map(|value| value % 256.0);
        for kind in [UINT16, "int64"] {
            let error = load(Some(kind), bytes).unwrap_err();
            assert!(error.code == Code::Value && error.what.contains(kind), "{error}");
            assert_eq!(load(Some(kind), [1.0; 8]).unwrap(), [1.0; 4]);
        }
    }

    #[test]
    fn a_label_of_an_array_without_columns_is_told_why() {
        let options = TableOptions { label: Some("4".to_owned()), ..TableOptions::default() };
        let load = |shape: &[usize], values| {
            let array = Arrays::of(Array { shape: shape.to_vec(), values, whole: None });
            load("x.npy", array, None, &options).unwrap_err()
        };
        let error = load(&[2, 3], Values::Bytes(vec![0; 6]));
        assert!(error.code == Code::Option && error.what.contains("no columns"), "{error}");
        assert!(error.hint.contains("astype"), "{error}");
        assert_eq!(load(&[3], Values::Numbers(vec![0.0; 3])).code, Code::Shape);
        assert_eq!(load(&[0, 3], Values::Numbers(Vec::new())).code, Code::Count);
    }
}
