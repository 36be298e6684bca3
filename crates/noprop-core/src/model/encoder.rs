//! A trained encoder: a classifier's net up to its features. A model keeps it beside its blocks, which may be trained or not.

use super::{Model, Weights};
use crate::config::{CheckedConfig, EncoderConfig, MethodConfig, ModelConfig};
use crate::error::{Code, Error, Result};
use crate::memory::reserved;
use crate::net::Layout;
use crate::storage::container::{TensorShape, from_bytes, put, sha256, to_bytes};
use crate::storage::weights::pieces;
use crate::tensor::Buffer;
use candle_core::{Device, Tensor};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::sync::Arc;

/// Beginning of the names of its tensors in a file. They stand behind those of the blocks.
const PREFIX: &str = "encoder";

/// The weights of an encoder.
pub(crate) struct Encoder {
    /// `[1, parameters + statistics]`.
    pub weights: Buffer,
    /// What trained it, or null.
    pub training: Value,
}

impl Encoder {
    fn new(weights: Vec<f32>, training: Value) -> Result<Self> {
        let len = weights.len();
        Ok(Self { weights: Buffer::new(Tensor::from_vec(weights, (1, len), &Device::Cpu)?)?, training })
    }

    /// Little-endian, in the order of the tensors' names.
    pub(super) fn bytes(&self) -> Result<Vec<u8>> {
        Ok(to_bytes(&self.weights.flatten_all()?.to_vec1::<f32>()?))
    }

    /// What a model that has it says of it in the record of its training.
    pub(super) fn record(&self) -> Value {
        json!({ "weightsSha256": self.sha256().ok(), "training": self.training })
    }

    /// SHA-256 of its weights, in hexadecimal.
    pub(crate) fn sha256(&self) -> Result<String> {
        Ok(sha256(&self.bytes()?))
    }

    /// Reads what comes next in a file of a model or of a part; none where the model has none. `training` is the file's record.
    pub(super) fn read(file: &mut File, checked: &CheckedConfig, training: &Value) -> Result<Option<Arc<Self>>> {
        let Some(parts) = &checked.encoder else { return Ok(None) };
        let mut weights = reserved(parts.layout.weights(), "the weights of an encoder")?;
        pieces(file, parts.layout.weights(), |first, bytes| {
            let values = from_bytes(bytes);
            check_finite(&parts.layout, first, &values)?;
            weights.extend_from_slice(&values);
            Ok(())
        })?;
        Ok(Some(Arc::new(Self::new(weights, training["encoder"]["training"].clone())?)))
    }
}

fn check_finite(layout: &Layout, first: usize, values: &[f32]) -> Result<()> {
    let Some(at) = values.iter().position(|value| !value.is_finite()) else { return Ok(()) };
    let (value, at) = (values[at], first + at);
    let entry = layout.entries().iter().find(|entry| at < entry.slot.offset + entry.slot.len);
    let name = entry.map_or("", |entry| entry.name.as_str());
    Err(Error::new(Code::ModelFormat, format!("a value of tensor {PREFIX}.{name} is not a finite number"))
        .expected("finite weights")
        .received(value.to_string())
        .hint("the file is damaged; get it again from its source, or train again"))
}

/// Names and shapes of the tensors of an encoder, in the order of their names.
pub(super) fn tensors(checked: &CheckedConfig) -> impl Iterator<Item = TensorShape> + '_ {
    let entries = checked.encoder.iter().flat_map(|parts| parts.layout.entries());
    entries.map(|entry| (format!("{PREFIX}.{}", entry.name), entry.shape.clone()))
}

impl Model {
    /// The trained encoder.
    pub(crate) fn encoder(&self) -> Option<&Arc<Encoder>> {
        self.encoder.as_ref()
    }

    /// The record of a training of the blocks, with that of the encoder.
    pub(super) fn recorded(&self, mut training: Value) -> Value {
        if let (Some(encoder), Some(record)) = (&self.encoder, training.as_object_mut()) {
            record.insert("encoder".to_owned(), encoder.record());
        }
        training
    }

    /// This model with the blocks of another, which are trained on the features of its encoder; without one, the other.
    pub fn with_blocks_of(&self, blocks: Self) -> Self {
        if self.encoder.is_none() {
            return blocks;
        }
        let checked = self.checked.clone().with_blocks(blocks.checked.clone());
        let training = self.recorded(blocks.training.clone());
        let model = Self { encoder: self.encoder.clone(), ..Self::of(checked, Weights::None, training) };
        Self { weights: blocks.weights.clone(), history: blocks.history, ..model }
    }

    /// Writes the weights of the encoder, which stand behind those of the blocks.
    pub(super) fn put_encoder(&self, writer: &mut impl Write) -> Result<()> {
        self.encoder.as_ref().map_or(Ok(()), |encoder| put(writer, &encoder.bytes()?))
    }

    /// Whether an encoder is asked for that is not trained yet.
    pub fn lacks_encoder(&self) -> bool {
        self.checked.encoder.is_some() && self.encoder.is_none()
    }

    /// An untrained classifier whose encoder the model is to have; none where it has one, or is to have none.
    ///
    /// # Errors
    /// Those of [`ModelConfig::classifier`].
    pub fn classifier(&self) -> Result<Option<Self>> {
        if !self.lacks_encoder() {
            return Ok(None);
        }
        self.checked.config.classifier()?.map(Self::new).transpose()
    }

    /// What an encoder is of which this model can be the source: a classifier's own net, or the encoder that it has.
    ///
    /// # Errors
    /// [`Code::Option`] for a model of another method without one.
    pub fn as_encoder(&self) -> Result<EncoderConfig> {
        let ModelConfig { method, encoder, net, classes, .. } = &self.checked.config;
        match encoder {
            Some(encoder) => Ok(encoder.clone()),
            None if *method == (MethodConfig::Classifier {}) => {
                Ok(EncoderConfig { net: net.clone(), classes: classes.len() })
            }
            None => Err(Error::new(Code::Option, "the model has no encoder that another could take")
                .expected("a model of method classifier, or one with an encoder")
                .received(format!("a model of method {}", method.name()))
                .hint("train an encoder: method classifier")),
        }
    }

    /// The same model with the trained encoder of `other`. Blocks that were trained on another are dropped.
    ///
    /// # Errors
    /// [`Code::NotTrained`]; [`Code::Option`] for a model without an encoder; [`Code::Shape`] for one that was trained on other
    /// samples; those of reading weights.
    pub fn with_encoder_of(&self, other: &Self) -> Result<Self> {
        let (found, config) = (other.as_encoder()?, &self.checked.config);
        let Some(parts) = self.checked.encoder.as_ref().filter(|_| config.encoder.as_ref() == Some(&found)) else {
            return Err(Error::new(Code::Internal, "an encoder that is not the one the model asks for"));
        };
        if other.checked.config.input != config.input {
            return Err(Error::new(Code::Shape, "the encoder was trained on samples of another shape")
                .expected(format!("samples of {}", config.input))
                .received(format!("samples of {}", other.checked.config.input))
                .hint("use data of the encoder's shape, or train another encoder"));
        }
        if other.checked.config.preprocessing != config.preprocessing {
            return Err(Error::new(Code::Shape, "the encoder was trained on data that were preprocessed otherwise")
                .expected("the same preprocessing")
                .received("another one")
                .hint("read the data with the preprocessing of the encoder's model, or train another encoder"));
        }
        let encoder = match other.encoder() {
            Some(encoder) => encoder.clone(),
            None => {
                let (all, weights) = (&other.checked.layout, other.block(1, &Device::Cpu)?);
                let weights = weights.flatten_all()?.to_vec1::<f32>()?;
                let mut own = Vec::with_capacity(parts.layout.weights());
                for entry in parts.layout.entries() {
                    own.extend_from_slice(all.slot(&entry.name).of(&weights));
                }
                Arc::new(Encoder::new(own, other.training.clone())?)
            }
        };
        Ok(Self { encoder: Some(encoder), ..Self::new(config.clone())? })
    }
}
