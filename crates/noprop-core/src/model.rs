//! A model: a checked configuration and, once trained, the weights of its blocks.
//!
//! The model file is one safetensors file: the configuration and what trained it in the metadata, block t's tensors as
//! `blocks.000t.params.…` and `blocks.000t.stats.…`, f32, in the order of their names.

use crate::config::{Checked, ModelConfig, from_json};
use crate::error::{Code, Error, Result};
#[cfg(device)]
use crate::inference::DeviceChain;
use crate::storage::container::{self, TensorShape, put};
use crate::storage::{WeightStore, atomic};
use crate::tensor::Buffer;
use candle_core::{Device, Tensor};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
#[cfg(device)]
use std::sync::MutexGuard;
use std::sync::{Arc, Mutex, PoisonError};

/// Version of the model file's format.
pub const FORMAT_VERSION: &str = "1";
const FORMAT: &str = "noprop-model";
/// Greatest sum of weights that [`Model::resident`] keeps in memory, values.
const MAX_RESIDENT: usize = 1 << 27;

/// A configuration with or without trained weights.
pub struct Model {
    /// The checked configuration.
    pub checked: Checked,
    /// What trained the weights, or null.
    pub training: Value,
    weights: Option<WeightStore>,
    resident: Mutex<Option<Arc<Vec<Buffer>>>>,
    /// What was last used of it on a device.
    #[cfg(device)]
    on_device: Mutex<Option<DeviceChain>>,
}

impl Model {
    /// An untrained model.
    ///
    /// # Errors
    /// See [`ModelConfig::check`].
    pub fn new(config: ModelConfig) -> Result<Self> {
        Ok(Self::of(config.check()?, None, Value::Null))
    }

    /// The same configuration with the weights of a finished run. `training` says what made them.
    pub fn with_weights(&self, weights: WeightStore, training: Value) -> Self {
        Self::of(self.checked.clone(), Some(weights), training)
    }

    fn of(checked: Checked, weights: Option<WeightStore>, training: Value) -> Self {
        Self {
            checked,
            training,
            weights,
            resident: Mutex::new(None),
            #[cfg(device)]
            on_device: Mutex::new(None),
        }
    }

    /// Whether there are weights.
    pub fn is_trained(&self) -> bool {
        self.weights.is_some()
    }

    /// # Errors
    /// [`Code::NotTrained`] before training.
    pub fn weights(&self) -> Result<&WeightStore> {
        self.weights.as_ref().ok_or_else(|| {
            Error::new(Code::NotTrained, "the model has no trained weights")
                .expected("a model that has been trained or loaded")
                .hint("call fit first, or load a model file")
        })
    }

    /// SHA-256 over all parameter and statistic bytes in the order of their names, in hexadecimal.
    pub fn weights_sha256(&self) -> Result<String> {
        self.weights()?.sha256()
    }

    /// The weights of block `block` (from 1) as a tensor `[1, parameters + statistics]`, read from the store.
    pub(crate) fn block(&self, block: usize, device: &Device) -> Result<Buffer> {
        let weights = self.weights()?.read(block)?;
        let len = weights.len();
        Buffer::new(Tensor::from_vec(weights, (1, len), device)?)
    }

    /// Whether the weights of all blocks are few enough to keep.
    pub(crate) fn may_be_resident(&self) -> Result<bool> {
        let store = self.weights()?;
        Ok(store.blocks().saturating_mul(store.block_len()) <= MAX_RESIDENT)
    }

    /// Where the model keeps what it has on a device; whoever uses it holds it.
    #[cfg(device)]
    pub(crate) fn on_device(&self) -> MutexGuard<'_, Option<DeviceChain>> {
        self.on_device.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The weights of all blocks in memory, for callers that will be back; `None` when they are too many to keep.
    pub(crate) fn resident(&self, device: &Device) -> Result<Option<Arc<Vec<Buffer>>>> {
        let store = self.weights()?;
        if !self.may_be_resident()? {
            return Ok(None);
        }
        let mut resident = self.resident.lock().unwrap_or_else(PoisonError::into_inner);
        if resident.is_none() {
            let blocks = (1..=store.blocks()).map(|block| self.block(block, device)).collect::<Result<_>>()?;
            *resident = Some(Arc::new(blocks));
        }
        Ok(resident.clone())
    }

    /// Writes the model file atomically.
    ///
    /// # Errors
    /// [`Code::NotTrained`] before training, [`Code::Output`] when the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let store = self.weights()?;
        let texts = BTreeMap::from([
            ("format", FORMAT.to_owned()),
            ("format_version", FORMAT_VERSION.to_owned()),
            ("config", json!(self.checked.config).to_string()),
            ("training", self.training.to_string()),
        ]);
        let header = container::header(&texts, tensors(&self.checked));
        atomic::write(path, |writer| {
            put(writer, &header)?;
            (1..=store.blocks()).try_for_each(|block| put(writer, &store.bytes(block)?))
        })
    }

    /// Opens a model file. The weights stay in the file and are read block by block.
    ///
    /// # Errors
    /// [`Code::FileNotFound`], [`Code::ModelFormat`], [`Code::ModelVersion`] or [`Code::ModelTruncated`], naming the file.
    pub fn load(path: &Path) -> Result<Self> {
        let name = |mut error: Error| {
            error.what = format!("{}: {}", path.display(), error.what);
            error
        };
        if path.is_dir() {
            return Err(
                Error::new(Code::ModelFormat, format!("{} is a directory", path.display())).expected("a model file")
            );
        }
        let mut file = File::open(path).map_err(|error| Error::io(path, &error))?;
        let header = container::read_header(&mut file).map_err(name)?;
        let text = |key: &str| header.texts.get(key).map(String::as_str).unwrap_or_default();
        if text("format") != FORMAT {
            return Err(name(
                Error::new(Code::ModelFormat, "this safetensors file is not a model of noprop")
                    .expected(format!("metadata format {FORMAT:?}"))
                    .received(format!("{:?}", text("format")))
                    .hint("choose a file that noprop saved"),
            ));
        }
        if text("format_version") != FORMAT_VERSION {
            return Err(name(
                Error::new(Code::ModelVersion, "the model file has another version")
                    .expected(format!("version {FORMAT_VERSION}"))
                    .received(format!("version {:?}", text("format_version")))
                    .hint("use the version of noprop that saved it, or train again"),
            ));
        }
        let damaged = |mut error: Error| {
            error.code = Code::ModelFormat;
            name(error)
        };
        let checked = from_json::<ModelConfig>(text("config")).and_then(ModelConfig::check).map_err(damaged)?;
        let training = serde_json::from_str(text("training")).unwrap_or(Value::Null);
        header.expect(tensors(&checked)).map_err(name)?;
        let (blocks, block_len) = (checked.config.blocks, checked.layout.weights());
        let weights = WeightStore::inside(file, header.data_start, blocks, block_len);
        Ok(Self::of(checked, Some(weights), training))
    }
}

/// Names and shapes of all tensors of a model, in the order of their names.
pub fn tensors(checked: &Checked) -> impl Iterator<Item = TensorShape> + '_ {
    (1..=checked.config.blocks).flat_map(|block| {
        checked
            .layout
            .entries()
            .iter()
            .map(move |entry| (format!("blocks.{block:04}.{}", entry.name), entry.shape.clone()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::container::{sha256, to_bytes};

    fn trained() -> Model {
        let json = r#"{"input":[2],"classes":[0,1],"blocks":12,"net":{"type":"mlp","hidden":[3]},"seed":4}"#;
        let model = Model::new(from_json(json).unwrap()).unwrap();
        let len = model.checked.layout.weights();
        let store = WeightStore::temporary(12, len).unwrap();
        for block in 1..=12 {
            store.write(block, &model.checked.layout.initial_weights(4, block)).unwrap();
        }
        model.with_weights(store, json!({ "epochs": 3 }))
    }

    #[test]
    fn a_saved_model_loads_with_equal_weights_and_equal_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let (first, second) = (directory.path().join("a"), directory.path().join("b"));
        let model = trained();
        model.save(&first).unwrap();
        let loaded = Model::load(&first).unwrap();
        assert_eq!(loaded.checked.config, model.checked.config);
        assert_eq!(loaded.training, model.training);
        assert_eq!(loaded.weights_sha256().unwrap(), model.weights_sha256().unwrap());
        loaded.save(&second).unwrap();
        assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap());
        // Saving over the file that the weights are read from.
        loaded.save(&first).unwrap();
        assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap());
    }

    #[test]
    fn tensors_lie_in_the_order_of_their_names_and_hash_to_the_models_sum() {
        let model = trained();
        let names: Vec<_> = tensors(&model.checked).map(|(name, _)| name).collect();
        assert!(names.is_sorted() && names.len() == 48);
        let all: Vec<f32> = (1..=12).flat_map(|block| model.checked.layout.initial_weights(4, block)).collect();
        assert_eq!(model.weights_sha256().unwrap(), sha256(&to_bytes(&all)));
    }

    #[test]
    fn bad_files_are_refused_with_their_reason() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model");
        trained().save(&path).unwrap();
        let good = std::fs::read(&path).unwrap();
        let load = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            Model::load(&path).err().map(|error| error.code)
        };
        let replaced = |from: &str, to: &str| {
            assert_eq!(from.len(), to.len());
            let at = good.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
            [&good[..at], to.as_bytes(), &good[at + from.len()..]].concat()
        };
        assert_eq!(load(&good), None);
        for len in [0, 7, 8, 100, good.len() - 1] {
            assert_eq!(load(&good[..len]), Some(Code::ModelTruncated), "{len} bytes");
        }
        assert_eq!(load(&[&good[..], &[0]].concat()), Some(Code::ModelFormat));
        assert_eq!(load(&[0xFF; 64]), Some(Code::ModelFormat));
        assert_eq!(load(b"\x02\0\0\0\0\0\0\0[]"), Some(Code::ModelFormat));
        assert_eq!(load(&replaced("noprop-model", "moprop-nodel")), Some(Code::ModelFormat));
        assert_eq!(load(&replaced(r#""format_version":"1""#, r#""format_version":"2""#)), Some(Code::ModelVersion));
        // A configuration that asks for other tensors than the file holds, or for impossible ones.
        assert_eq!(load(&replaced(r#"\"blocks\":12"#, r#"\"blocks\":13"#)), Some(Code::ModelFormat));
        assert_eq!(load(&replaced(r#"\"blocks\":12"#, r#"\"blocks\":-2"#)), Some(Code::ModelFormat));
        assert_eq!(load(&replaced(r#"\"hidden\":[3]"#, r#"\"hidden\":[9]"#)), Some(Code::ModelFormat));
        assert_eq!(Model::load(directory.path()).err().unwrap().code, Code::ModelFormat);
        assert_eq!(Model::load(&directory.path().join("none")).err().unwrap().code, Code::FileNotFound);
    }
}
