//! The model file: one safetensors file with the configuration and what trained it in the metadata, block t's tensors as
//! `blocks.000t.params.…` and `blocks.000t.stats.…`, f32, in the order of their names.

use super::encoder::Encoder;
use super::tensors::{check_finite, tensors};
use super::{Model, Weights, part};
use crate::config::{CheckedConfig, ModelConfig, from_json};
use crate::error::{Code, Error, Result};
use crate::memory::reserved;
use crate::storage::container::{self, Header, from_bytes, put};
use crate::storage::weights::pieces;
use crate::storage::{WeightStore, atomic, open_file, probe_output};
use crate::tensor::Buffer;
use candle_core::{Device, Tensor};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// Version of the model file's format.
pub const FORMAT_VERSION: &str = "1";
const FORMAT: &str = "noprop-model";
/// Bytes that the record of a training may take in a header.
const TRAINING: u64 = 4096;
/// Bytes that its history may take where it is as long as it may be.
const HISTORY: u64 = 1 << 21;

impl Model {
    pub(super) fn header(&self) -> Vec<u8> {
        let mut texts = BTreeMap::from([
            ("format", FORMAT.to_owned()),
            ("format_version", FORMAT_VERSION.to_owned()),
            ("config", json!(self.checked.config).to_string()),
            ("training", self.training.to_string()),
        ]);
        if !self.history.is_null() {
            texts.insert("history", self.history.to_string());
        }
        let readout = self.readout();
        if !readout.is_null() {
            texts.insert("readout", readout.to_string());
        }
        container::header(&texts, tensors(&self.checked))
    }

    /// Writes the model file atomically.
    ///
    /// # Errors
    /// [`Code::NotTrained`] before training, [`Code::Output`] when the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        if let Some(part) = self.part() {
            return self.save_part(part, path);
        }
        self.check_trained()?;
        atomic::write(path, |writer| {
            put(writer, &self.header())?;
            (1..=self.checked.jobs()).try_for_each(|block| self.each_piece(block, |bytes| put(writer, bytes)))?;
            self.put_encoder(writer)
        })
    }

    /// Fails as a later [`save`](Self::save) to `path` would, for want of room as well, trained or not. Leaves nothing behind.
    ///
    /// # Errors
    /// [`Code::Output`].
    pub fn probe_save(&self, path: &Path) -> Result<()> {
        let encoder = self.checked.encoder.as_ref().map_or(0, |parts| parts.layout.weights());
        let lens = self.checked.weights_of_jobs().into_iter().chain([encoder]);
        let weights: u64 = lens.map(|len| 4 * len as u64).sum();
        probe_output(path, self.header().len() as u64 + TRAINING + HISTORY + weights)
    }

    /// Reads a model file. Up to 512 MiB of weights are taken into memory and the file is closed. Larger ones stay in the
    /// file, and are compared with what they were now whenever a block of them is read.
    ///
    /// # Errors
    /// [`Code::FileNotFound`], [`Code::ModelFormat`], [`Code::ModelVersion`], [`Code::ModelTruncated`],
    /// [`Code::ModelChanged`] or [`Code::Memory`], naming the file.
    pub fn load(path: &Path) -> Result<Self> {
        Self::load_keeping(path, super::MAX_RESIDENT)
    }

    /// [`load`](Self::load) with at most `most` values in memory.
    pub(super) fn load_keeping(path: &Path, most: usize) -> Result<Self> {
        let mut file = open_file(path, Code::ModelFormat)?;
        read(&mut file, path, most).map_err(|mut error| {
            error.what = format!("{}: {}", path.display(), error.what);
            error
        })
    }
}

fn read(file: &mut File, path: &Path, most: usize) -> Result<Model> {
    let before = state(file)?;
    let header = container::read_header(file)?;
    let (checked, [training, history, readout]) = texts(&header, FORMAT, "a model of noprop")?;
    header.expect(tensors(&checked))?;
    let lens = checked.weights_of_jobs();
    let finite = |block: usize, first: usize, values: &[f32]| check_finite(&checked, block, first, values);
    let weights = if lens.iter().sum::<usize>() <= most {
        let block = |(index, len): (usize, &usize)| {
            let mut weights = reserved(*len, "the weights of a block")?;
            pieces(file, *len, |first, bytes| {
                let values = from_bytes(bytes);
                weights.extend_from_slice(&values);
                finite(index + 1, first, &values)
            })?;
            Buffer::new(Tensor::from_vec(weights, (1, *len), &Device::Cpu)?)
        };
        Weights::InMemory(Arc::new(lens.iter().enumerate().map(block).collect::<Result<_>>()?))
    } else {
        // Both read on where the other stopped.
        let file = file.try_clone().map_err(unreadable)?;
        Weights::stored(WeightStore::inside(file, path, &lens, finite)?)
    };
    let encoder = Encoder::read(file, &checked, &training)?;
    // Another process that wrote meanwhile may have mixed two models.
    if state(file)? != before {
        return Err(Error::new(Code::ModelChanged, "the file was written to while it was read")
            .hint("load it again when it is whole; replace a model file by renaming another to it, as save does"));
    }
    let model = Model { encoder, ..Model::of(checked, weights, training) }.with_history(history);
    model.set_readout(readout);
    Ok(model)
}

/// What tells that a file was written to, as far as the system says.
fn state(file: &File) -> Result<(u64, Option<std::time::SystemTime>)> {
    let metadata = file.metadata().map_err(unreadable)?;
    Ok((metadata.len(), metadata.modified().ok()))
}

fn unreadable(error: std::io::Error) -> Error {
    Error::new(Code::Io, "the file cannot be read").received(error.to_string())
}

/// The configuration, what trained the weights, how their losses went, and how classes are read, of a file of `format`, which is `what`.
pub(super) fn texts(header: &Header, format: &str, what: &str) -> Result<(CheckedConfig, [Value; 3])> {
    let text = |key: &str| header.texts.get(key).map(String::as_str).unwrap_or_default();
    if text("format") == part::FORMAT {
        return Err(part::is_part(text("blocks")));
    }
    if text("format") != format {
        return Err(Error::new(Code::ModelFormat, format!("this safetensors file is not {what}"))
            .expected(format!("metadata format {format:?}"))
            .received(format!("{:?}", text("format")))
            .hint("choose a file that noprop saved"));
    }
    if text("format_version") != FORMAT_VERSION {
        return Err(Error::new(Code::ModelVersion, "the model file has another version")
            .expected(format!("version {FORMAT_VERSION}"))
            .received(format!("version {:?}", text("format_version")))
            .hint("use the version of noprop that saved it, or train again"));
    }
    let damaged = |mut error: Error| {
        error.code = Code::ModelFormat;
        error
    };
    container::check_names("config", text("config"))?;
    let checked = from_json::<ModelConfig>(text("config")).and_then(ModelConfig::check).map_err(damaged)?;
    let record = |name| -> Result<Value> {
        let record = text(name);
        if record.is_empty() {
            return Ok(Value::Null);
        }
        container::check_names(name, record)?;
        Ok(serde_json::from_str(record).unwrap_or(Value::Null))
    };
    Ok((checked, [record("training")?, record("history")?, record("readout")?]))
}
