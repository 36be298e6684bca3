//! The safetensors container: 8 bytes of header length, a JSON header, then the tensors' bytes. Written in a fixed order, so
//! that equal content gives equal files; read as hostile input.

use super::duplicates;
use crate::error::{Code, Error, Result};
use crate::memory::zeros;
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Write};

/// Greatest header that is read, as the format's own readers have it.
const MAX_HEADER: u64 = 100_000_000;

/// Name and shape of an f32 tensor.
pub type TensorShape = (String, Vec<usize>);

/// A header that has been read and checked against the file's length.
pub struct Header {
    /// The free text part.
    pub texts: HashMap<String, String>,
    /// Where the tensors' bytes begin.
    pub data_start: u64,
    metadata: Metadata,
}

/// Bytes of a header for f32 tensors that follow each other in the given order.
pub fn header(texts: &BTreeMap<&str, String>, tensors: impl Iterator<Item = TensorShape>) -> Vec<u8> {
    let mut json = format!("{{\"__metadata__\":{}", json!(texts));
    let mut offset = 0;
    for (name, shape) in tensors {
        let end = offset + 4 * shape.iter().product::<usize>();
        let entry = json!({ "dtype": "F32", "shape": shape, "data_offsets": [offset, end] });
        json += &format!(",{}:{entry}", Value::String(name));
        offset = end;
    }
    json.push('}');
    // The data begin at a multiple of 8, as the format recommends.
    while !json.len().is_multiple_of(8) {
        json.push(' ');
    }
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.extend(json.into_bytes());
    bytes
}

/// Reads a header and checks that the file holds exactly the bytes that it promises, and that no name comes twice.
///
/// # Errors
/// [`Code::ModelFormat`] when this is no safetensors file, [`Code::ModelTruncated`] when it is too short for its header.
/// Callers give the error the name of the file.
pub fn read_header(file: &mut File) -> Result<Header> {
    let io = |error: std::io::Error| Error::new(Code::Io, "the file cannot be read").received(error.to_string());
    let foreign = |received: String| {
        Error::new(Code::ModelFormat, "this is not a safetensors file").received(received).hint("choose another file")
    };
    let size = file.metadata().map_err(io)?.len();
    let mut length = [0; 8];
    if size < 8 {
        return Err(truncated(8, size));
    }
    file.read_exact(&mut length).map_err(io)?;
    let length = u64::from_le_bytes(length);
    if !(2..=MAX_HEADER).contains(&length) {
        return Err(foreign(format!("a header of {length} bytes")));
    }
    if 8 + length > size {
        return Err(truncated(8 + length, size));
    }
    let mut json = zeros::<u8>(length as usize, "the header of a file")?;
    file.read_exact(&mut json).map_err(io)?;
    let metadata: Metadata = duplicates::check(&json)
        .and_then(|()| serde_json::from_slice(&json))
        .map_err(|error| foreign(error.to_string().chars().take(200).collect()))?;
    let data_start = 8 + length;
    let expected =
        data_start.checked_add(metadata.data_len() as u64).ok_or_else(|| foreign("sizes beyond 2^64".to_owned()))?;
    if size < expected {
        return Err(truncated(expected, size));
    }
    if size > expected {
        return Err(foreign(format!("{} bytes after the last tensor", size - expected)));
    }
    let texts = metadata.metadata().clone().unwrap_or_default();
    Ok(Header { texts, data_start, metadata })
}

fn truncated(expected: u64, received: u64) -> Error {
    Error::new(Code::ModelTruncated, "the file is truncated")
        .expected(format!("at least {expected} bytes"))
        .received(format!("{received} bytes"))
        .hint("copy or save the file again")
}

impl Header {
    /// Checks that the file holds exactly these f32 tensors in this order.
    pub fn expect(&self, tensors: impl Iterator<Item = TensorShape>) -> Result<()> {
        let wrong =
            |what: String| Error::new(Code::ModelFormat, "the tensors do not fit the configuration").received(what);
        let (mut offset, mut count) = (0, 0);
        for (name, shape) in tensors {
            let end = offset + 4 * shape.iter().product::<usize>();
            let info = self.metadata.info(&name).ok_or_else(|| wrong(format!("no tensor {name}")))?;
            if info.dtype != Dtype::F32 || info.shape != shape || info.data_offsets != (offset, end) {
                return Err(wrong(format!("tensor {name} of {:?} {:?}", info.dtype, info.shape))
                    .expected(format!("{name} of F32 {shape:?} at byte {offset}")));
            }
            (offset, count) = (end, count + 1);
        }
        if self.metadata.tensors().len() != count {
            return Err(
                wrong(format!("{} tensors", self.metadata.tensors().len())).expected(format!("{count} tensors"))
            );
        }
        Ok(())
    }
}

/// Checks that no object in a JSON text gives a name twice.
///
/// # Errors
/// [`Code::ModelFormat`].
pub fn check_names(what: &str, json: &str) -> Result<()> {
    duplicates::check(json.as_bytes()).map_err(|error| {
        let received: String = error.to_string().chars().take(200).collect();
        Error::new(Code::ModelFormat, format!("its {what} cannot be used")).received(received)
    })
}

/// Little-endian bytes of f32 values.
pub fn to_bytes(values: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; 4 * values.len()];
    for (bytes, value) in bytes.chunks_exact_mut(4).zip(values) {
        bytes.copy_from_slice(&value.to_le_bytes());
    }
    bytes
}

/// f32 values of little-endian bytes.
pub fn from_bytes(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect()
}

/// Lower-case hexadecimal SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes bytes, with the error that [`super::atomic::write`] gives to a full disk.
pub fn put(writer: &mut impl Write, bytes: &[u8]) -> Result<()> {
    writer.write_all(bytes).map_err(|error| {
        Error::new(Code::Output, "a file could not be written whole")
            .received(error.to_string())
            .hint("free some disk space")
    })
}
