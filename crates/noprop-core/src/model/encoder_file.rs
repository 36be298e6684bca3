//! An encoder in a file of its own: for machines that put a model together and do not have it. The file is one of safetensors, its tensors those
//! that a model's file has of the encoder, with the configuration of the whole model.

use super::encoder::{Encoder, tensors};
use super::file::{FORMAT_VERSION, texts};
use super::{Model, Weights};
use crate::error::{Code, Error, Result};
use crate::storage::container::{self, put};
use crate::storage::{atomic, open_file};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

const FORMAT: &str = "noprop-encoder";

impl Model {
    /// Writes the encoder atomically; tells the SHA-256 of its weights, in hexadecimal. None, and no file, of a model without one.
    ///
    /// # Errors
    /// [`Code::Output`] when the file cannot be written.
    pub fn save_encoder(&self, path: &Path) -> Result<Option<String>> {
        let Some(encoder) = self.encoder() else { return Ok(None) };
        let texts = BTreeMap::from([
            ("format", FORMAT.to_owned()),
            ("format_version", FORMAT_VERSION.to_owned()),
            ("config", json!(self.checked.config).to_string()),
            ("training", json!({ "encoder": encoder.record() }).to_string()),
        ]);
        let header = container::header(&texts, tensors(&self.checked));
        atomic::write(path, |writer| {
            put(writer, &header)?;
            self.put_encoder(writer)
        })?;
        encoder.sha256().map(Some)
    }

    /// The model of [`save_encoder`](Self::save_encoder), its blocks untrained, if its encoder has the weights of that SHA-256.
    ///
    /// # Errors
    /// [`Code::FileNotFound`], [`Code::ModelFormat`], [`Code::ModelVersion`], [`Code::ModelTruncated`] or [`Code::Memory`].
    pub fn load_encoder(path: &Path, sha256: &str) -> Result<Self> {
        let mut file = open_file(path, Code::ModelFormat)?;
        let header = container::read_header(&mut file)?;
        let (checked, [training, ..]) = texts(&header, FORMAT, "an encoder of noprop")?;
        header.expect(tensors(&checked))?;
        let encoder = Encoder::read(&mut file, &checked, &training)?;
        let found = encoder.as_ref().map(|encoder| encoder.sha256()).transpose()?.unwrap_or_default();
        if found != sha256 {
            return Err(Error::new(Code::ModelFormat, "the file holds another encoder")
                .expected(format!("weights of SHA-256 {sha256}"))
                .received(found)
                .hint("get the file again from where it was written"));
        }
        Ok(Self { encoder, ..Self::of(checked, Weights::None, json!(null)) })
    }
}
