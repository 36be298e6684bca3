//! A data set as one file, for machines that get it from each other: magic, length of a JSON header, header, values, labels or
//! numbers to predict. Read as hostile input: the header must say exactly how long the file is before anything is allocated, and the
//! fingerprint must hold.

use super::{Dataset, InputShape, OnDisk, Pixels, Preprocessing, Targets};
use crate::error::{Code, Error, Result};
use crate::memory::zeros;
use crate::storage::container::{self, from_bytes, put, to_bytes};
use crate::storage::{atomic, open_file};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"NOPROPD1";
/// Most bytes of a header: names of classes and what is known of a table's columns.
const MAX_HEADER: u64 = 100_000_000;
/// Values that are converted at once.
const PIECE: usize = 1 << 16;
/// Bytes that are read into memory; more stay in the file.
const MAX_RESIDENT: u64 = 1 << 30;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Header {
    shape: Vec<usize>,
    samples: usize,
    /// `u8` or `f32`.
    values: String,
    labels: bool,
    /// Numbers to predict of each sample.
    #[serde(default, skip_serializing_if = "is_zero")]
    targets: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    names: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preprocessing: Option<Preprocessing>,
    fingerprint: String,
    /// The fingerprint of the samples whose features these are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encoded: Option<String>,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Writes a data set atomically.
///
/// # Errors
/// [`Code::Output`].
pub fn save(data: &Dataset, path: &Path) -> Result<()> {
    let header = Header {
        shape: data.shape().sizes().to_vec(),
        samples: data.samples(),
        values: if is_floats(data.pixels()) { "f32" } else { "u8" }.to_owned(),
        labels: data.labels().is_some(),
        targets: data.targets().map_or(0, |targets| targets.width),
        names: data.classes().names().map(<[String]>::to_vec),
        preprocessing: data.preprocessing().cloned(),
        fingerprint: data.fingerprint().to_owned(),
        encoded: data.encoded().map(str::to_owned),
    };
    let header = json!(header).to_string();
    atomic::write(path, |writer| {
        put(writer, &MAGIC)?;
        put(writer, &(header.len() as u64).to_le_bytes())?;
        put(writer, header.as_bytes())?;
        match data.pixels() {
            Pixels::U8(values) => put(writer, values)?,
            Pixels::F32(values) => put_all(writer, values)?,
            Pixels::Disk(values) => {
                let step = (PIECE / data.shape().len()).max(1);
                let starts = (0..data.samples()).step_by(step);
                starts
                    .map(|first| first..data.samples().min(first + step))
                    .try_for_each(|samples| put(writer, &values.read(samples)?))?;
            }
        }
        if let Some(targets) = data.targets() {
            put_all(writer, &targets.values)?;
        }
        let labels = data.labels().unwrap_or_default();
        labels.iter().try_for_each(|label| put(writer, &label.to_le_bytes()))
    })
}

fn is_floats(pixels: &Pixels) -> bool {
    match pixels {
        Pixels::U8(_) => false,
        Pixels::F32(_) => true,
        Pixels::Disk(values) => values.is_floats(),
    }
}

fn put_all(writer: &mut impl Write, values: &[f32]) -> Result<()> {
    values.chunks(PIECE).try_for_each(|piece| put(writer, &to_bytes(piece)))
}

/// Reads what [`save`] wrote. Many bytes stay in the file, which must stay there while the data set is in use.
///
/// # Errors
/// [`Code::FileNotFound`], [`Code::FileFormat`], [`Code::FileTruncated`] or [`Code::Memory`], naming the file.
pub fn read(path: &Path) -> Result<Dataset> {
    let mut file = open_file(path, Code::FileFormat)?;
    read_from(&mut file, path).map_err(|mut error| {
        error.what = format!("{}: {}", path.display(), error.what);
        error
    })
}

fn read_from(file: &mut File, path: &Path) -> Result<Dataset> {
    let io = |error: std::io::Error| Error::new(Code::Io, "the file cannot be read").received(error.to_string());
    let foreign = |received: String| {
        Error::new(Code::FileFormat, "this is not a stored data set")
            .expected("a file that noprop wrote")
            .received(received.chars().take(200).collect::<String>())
            .hint("delete it, so that it is written again")
    };
    let size = file.metadata().map_err(io)?.len();
    let mut start = [0; 16];
    if size < 16 {
        return Err(foreign(format!("{size} bytes")));
    }
    file.read_exact(&mut start).map_err(io)?;
    let (magic, length) = start.split_at(8);
    let length = u64::from_le_bytes(length.try_into().unwrap_or_default());
    if magic != MAGIC || length > MAX_HEADER || length > size - 16 {
        return Err(foreign(format!("a header of {length} bytes in {size}")));
    }
    let mut json = zeros::<u8>(length as usize, "the header of a data set")?;
    file.read_exact(&mut json).map_err(io)?;
    let text = String::from_utf8(json).map_err(|error| foreign(error.to_string()))?;
    container::check_names("header", &text)?;
    let header: Header = serde_json::from_str(&text).map_err(|error| foreign(error.to_string()))?;
    let shape = InputShape::new(&header.shape)?;
    shape.check()?;
    let bytes_of_value = match &header.values[..] {
        "u8" => 1u64,
        "f32" => 4,
        other => return Err(foreign(format!("values of kind {other}"))),
    };
    let values = (header.samples as u64).checked_mul(shape.len() as u64);
    let labels = if header.labels { header.samples as u64 } else { 0 };
    let numbers = (header.samples as u64).checked_mul(header.targets as u64);
    let expected = values
        .and_then(|values| values.checked_mul(bytes_of_value))
        .and_then(|values| values.checked_add(labels.checked_mul(4)?))
        .and_then(|values| values.checked_add(numbers?.checked_mul(4)?))
        .and_then(|data| data.checked_add(16 + length))
        .ok_or_else(|| foreign("sizes beyond 2^64".to_owned()))?;
    if size != expected {
        return Err(Error::new(Code::FileTruncated, "the stored data set has another length than its header says")
            .expected(format!("{expected} bytes"))
            .received(format!("{size} bytes"))
            .hint("delete it, so that it is written again"));
    }
    let len = header.samples * shape.len();
    let pixels = if bytes_of_value == 4 {
        Pixels::F32(floats(file, len, "a stored data set")?)
    } else if len as u64 > MAX_RESIDENT {
        let start = 16 + length;
        file.seek(SeekFrom::Start(start + len as u64)).map_err(io)?;
        Pixels::Disk(OnDisk::new(file.try_clone().map_err(io)?, path, start, shape.len(), header.samples)?)
    } else {
        let mut values = zeros::<u8>(len, "a stored data set")?;
        file.read_exact(&mut values).map_err(io)?;
        Pixels::U8(values)
    };
    let targets = (header.targets > 0)
        .then(|| floats(file, header.samples * header.targets, "the targets of a stored data set"))
        .transpose()?;
    let mut bytes = zeros::<u8>(4 * labels as usize, "the labels of a stored data set")?;
    file.read_exact(&mut bytes).map_err(io)?;
    let labels = header.labels.then(|| {
        bytes
            .chunks_exact(4)
            .map(|bytes| i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            .collect::<Vec<_>>()
    });
    let mut data = match (labels, &header.names, targets) {
        (_, _, Some(values)) => Dataset::with_targets(pixels, shape, Targets { width: header.targets, values })?,
        (Some(labels), Some(names), None) => Dataset::with_names(pixels, shape, &labels, names)?,
        (labels, _, None) => Dataset::from_arrays(pixels, shape, labels)?,
    };
    if let Some(preprocessing) = header.preprocessing {
        data = data.with_preprocessing(Arc::new(preprocessing));
    }
    if let Some(encoded) = header.encoded {
        let is_digest = encoded.len() == 64 && encoded.bytes().all(|byte| byte.is_ascii_hexdigit());
        data = data.marked_as_features(if is_digest { encoded } else { return Err(foreign(encoded)) });
    }
    if data.fingerprint() != header.fingerprint {
        return Err(foreign("another fingerprint than the header says".to_owned()));
    }
    Ok(data)
}

fn floats(file: &mut File, len: usize, what: &str) -> Result<Vec<f32>> {
    let mut values = zeros::<f32>(len, what)?;
    let mut bytes = vec![0; 4 * PIECE.min(len)];
    for piece in values.chunks_mut(PIECE) {
        let bytes = &mut bytes[..4 * piece.len()];
        file.read_exact(bytes)
            .map_err(|error| Error::new(Code::Io, "the file cannot be read").received(error.to_string()))?;
        piece.copy_from_slice(&from_bytes(bytes));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets() -> [Dataset; 4] {
        let shape = InputShape::new(&[2, 2]).unwrap();
        let names = ["a", "b"].map(str::to_owned);
        [
            Dataset::from_arrays(Pixels::U8((0..12).collect()), shape, Some(vec![-1, 7, 7])).unwrap(),
            Dataset::from_arrays(Pixels::F32(vec![0.5, -1.5, 3.0, f32::MIN_POSITIVE]), shape, None).unwrap(),
            Dataset::with_names(Pixels::U8((0..8).collect()), shape, &[1, 0], &names).unwrap(),
            Dataset::with_targets(
                Pixels::F32(vec![0.0; 8]),
                shape,
                Targets { width: 3, values: vec![0.5, -2.0, 3.0, 1e-30, 0.0, 9.0] },
            )
            .unwrap(),
        ]
    }

    #[test]
    fn a_stored_data_set_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        for (index, data) in sets().iter().enumerate() {
            let path = folder.path().join(index.to_string());
            save(data, &path).unwrap();
            let found = read(&path).unwrap();
            assert_eq!(found.fingerprint(), data.fingerprint());
            assert_eq!(
                (found.pixels(), found.labels(), found.targets()),
                (data.pixels(), data.labels(), data.targets())
            );
        }
    }

    #[test]
    fn whatever_is_changed_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        save(&sets()[0], &path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            std::fs::write(&path, &changed).unwrap();
            assert!(read(&path).is_err(), "byte {at}");
            std::fs::write(&path, &bytes[..at]).unwrap();
            assert!(read(&path).is_err(), "{at} bytes");
        }
        std::fs::write(&path, [&bytes[..], &[0]].concat()).unwrap();
        assert_eq!(read(&path).unwrap_err().code, Code::FileTruncated);
        // A header that promises more than there is allocates nothing.
        let header = br#"{"shape":[65535,65535],"samples":4000000000,"values":"f32","labels":false,"fingerprint":""}"#;
        let file = [&MAGIC[..], &(header.len() as u64).to_le_bytes(), header].concat();
        std::fs::write(&path, file).unwrap();
        assert!(read(&path).is_err());
    }
}
