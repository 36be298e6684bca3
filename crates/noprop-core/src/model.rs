//! A model: a checked configuration and, once trained, the weights of its blocks.

mod assemble;
mod blocks;
mod encoder;
mod encoder_file;
mod file;
mod history;
mod onnx;
mod part;
mod tensors;
#[cfg(test)]
mod tests;
mod unfold;

pub use file::FORMAT_VERSION;
pub use onnx::{InputKind, OnnxFile, OnnxOptions, OnnxPort};
pub use part::{BlockReport, Part, of_kind};
pub use tensors::tensors;

use crate::config::{CheckedConfig, ModelConfig};
use crate::error::{Code, Error, Result};
use crate::storage::WeightStore;
use crate::storage::container::{hexadecimal, to_bytes};
use crate::tensor::Buffer;
use candle_core::{CpuStorage, Device, Storage, Tensor};
pub(crate) use encoder::Encoder;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

/// Greatest sum of weights that is kept in memory, values.
const MAX_RESIDENT: usize = 1 << 27;

/// A configuration with or without trained weights.
pub struct Model {
    /// The checked configuration.
    pub checked: CheckedConfig,
    /// What trained the weights, or null.
    pub training: Value,
    /// How the losses went while it was trained, for people to look at, or null.
    pub history: Value,
    weights: Arc<Weights>,
    /// How classes are read off all blocks, where that has been fitted: JSON, or null.
    readout: Arc<RwLock<Value>>,
    /// The encoder, once it is trained.
    encoder: Option<Arc<Encoder>>,
    /// What inference runs instead, once it has been asked for.
    unfolded: Mutex<Option<Arc<Model>>>,
    /// The model of features, where there is an encoder, once it has been asked for.
    blocks: OnceLock<Arc<Model>>,
}

/// Weights are those of a moment, whatever happens to the file that they came from.
enum Weights {
    None,
    /// Of some blocks, the others being trained elsewhere.
    Part {
        store: WeightStore,
        part: Part,
    },
    /// Each block's `[1, parameters + statistics]`.
    InMemory(Arc<Vec<Buffer>>),
    /// In a file, from where they are taken into memory when that is worth it.
    Stored {
        store: WeightStore,
        resident: Mutex<Option<Arc<Vec<Buffer>>>>,
    },
}

impl Weights {
    fn stored(store: WeightStore) -> Self {
        Self::Stored { store, resident: Mutex::new(None) }
    }
}

impl Model {
    /// An untrained model.
    ///
    /// # Errors
    /// See [`ModelConfig::check`].
    pub fn new(config: ModelConfig) -> Result<Self> {
        Ok(Self::of(config.check()?, Weights::None, Value::Null))
    }

    /// The same configuration with the weights of a finished run. `training` says what made them.
    pub fn with_weights(&self, weights: WeightStore, training: Value) -> Self {
        self.with(Weights::stored(weights), training)
    }

    /// The same model, which remembers how its losses went.
    pub fn with_history(self, history: Value) -> Self {
        Self { history, ..self }
    }

    /// How classes are read off all blocks, where that has been fitted; or null. Other weights have none.
    pub fn readout(&self) -> Value {
        self.readout.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps how classes are read off all blocks.
    pub fn set_readout(&self, readout: Value) {
        *self.readout.write().unwrap_or_else(PoisonError::into_inner) = readout;
    }

    /// The same model as its training has fitted it to the data: with the units of numbers, and the prototypes of classes.
    pub fn with_fitted(mut self, mut fitted: CheckedConfig) -> Self {
        // A training that goes on has a seed of its own.
        fitted.config.seed = self.checked.config.seed;
        self.checked = self.checked.with_blocks(fitted);
        self.blocks = OnceLock::new();
        self
    }

    /// The same configuration with the weights of some blocks.
    pub fn with_part(&self, store: WeightStore, training: Value, part: Part) -> Self {
        self.with(Weights::Part { store, part }, training)
    }

    /// The same configuration and encoder with other weights.
    fn with(&self, weights: Weights, training: Value) -> Self {
        let training = self.recorded(training);
        Self { encoder: self.encoder.clone(), ..Self::of(self.checked.clone(), weights, training) }
    }

    /// What a part of a model is, where this is one.
    pub fn part(&self) -> Option<&Part> {
        match &*self.weights {
            Weights::Part { part, .. } => Some(part),
            _ => None,
        }
    }

    /// A model of blocks with these weights, each `[1, parameters + statistics]`.
    pub(crate) fn in_memory(checked: CheckedConfig, blocks: Vec<Buffer>) -> Self {
        Self::of(checked, Weights::InMemory(Arc::new(blocks)), Value::Null)
    }

    fn of(checked: CheckedConfig, weights: Weights, training: Value) -> Self {
        let (weights, encoder, unfolded, blocks) = (Arc::new(weights), None, Mutex::new(None), OnceLock::new());
        let readout = Arc::default();
        Self { checked, training, history: Value::Null, weights, readout, encoder, unfolded, blocks }
    }

    /// The model of features, which the blocks are by themselves; none without an encoder.
    pub(crate) fn of_features(&self) -> Option<Arc<Self>> {
        let parts = self.checked.encoder.as_ref()?;
        let of = || {
            let model = Self::of(parts.blocks.clone(), Weights::None, self.training.clone());
            Arc::new(Self { weights: self.weights.clone(), readout: self.readout.clone(), ..model })
        };
        Some(self.blocks.get_or_init(of).clone())
    }

    /// Whether there are weights.
    pub fn is_trained(&self) -> bool {
        !matches!(*self.weights, Weights::None | Weights::Part { .. })
    }

    /// # Errors
    /// [`Code::NotTrained`] before training.
    pub(crate) fn check_trained(&self) -> Result<()> {
        match &*self.weights {
            Weights::Part { part, .. } => Err(part.is_no_model(self.checked.jobs())),
            _ if self.is_trained() => Ok(()),
            _ => Err(not_trained()),
        }
    }

    /// Bytes of weights that it keeps in the processor's memory.
    pub fn resident_bytes(&self) -> usize {
        let blocks = match &*self.weights {
            Weights::None | Weights::Part { .. } => None,
            Weights::InMemory(blocks) => Some(blocks.clone()),
            Weights::Stored { resident, .. } => resident.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        };
        let encoder = self.encoder.as_ref().map_or(0, |encoder| 4 * encoder.weights.elem_count());
        encoder + blocks.map_or(0, |blocks| blocks.iter().map(|block| 4 * block.elem_count()).sum())
    }

    /// SHA-256 over all parameter and statistic bytes in the order of their names, in hexadecimal; of a part, over those that it has.
    ///
    /// # Errors
    /// [`Code::NotTrained`], [`Code::ModelChanged`], [`Code::Io`].
    pub fn weights_sha256(&self) -> Result<String> {
        let mut hash = Sha256::new();
        for block in self.blocks() {
            self.each_piece(block, |bytes| {
                hash.update(bytes);
                Ok(())
            })?;
        }
        if let Some(encoder) = &self.encoder {
            hash.update(encoder.bytes()?);
        }
        Ok(hexadecimal(&hash.finalize()))
    }

    /// The blocks (from 1) whose weights it has, once it has any.
    fn blocks(&self) -> Vec<usize> {
        match self.part() {
            Some(part) => part.blocks.iter().map(|report| report.block).collect(),
            None => (1..=self.checked.jobs()).collect(),
        }
    }

    /// Shows the little-endian bytes of a block's weights (from 1) to `see`, piece by piece.
    fn each_piece(&self, block: usize, mut see: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        match &*self.weights {
            Weights::None => Err(not_trained()),
            Weights::Stored { store, .. } | Weights::Part { store, .. } => store.each_piece(block, see),
            Weights::InMemory(blocks) => {
                let (storage, _) = blocks[block - 1].storage_and_layout();
                let Storage::Cpu(CpuStorage::F32(values)) = &*storage else {
                    return Err(Error::new(Code::Internal, "weights that are not f32 in the processor's memory"));
                };
                values.chunks(1 << 16).try_for_each(|piece| see(&to_bytes(piece)))
            }
        }
    }

    /// The weights of block `block` (from 1) as a tensor `[1, parameters + statistics]`.
    pub(crate) fn block(&self, block: usize, device: &Device) -> Result<Buffer> {
        self.check_trained()?;
        let store = match &*self.weights {
            Weights::None | Weights::Part { .. } => return Err(not_trained()),
            Weights::InMemory(blocks) => {
                let block = &blocks[block - 1];
                return if device.is_cpu() { Ok(block.clone()) } else { Buffer::new(block.to_device(device)?) };
            }
            Weights::Stored { store, .. } => store,
        };
        let weights = store.read(block)?;
        let len = weights.len();
        Buffer::new(Tensor::from_vec(weights, (1, len), device)?)
    }

    /// Whether the weights of all blocks are few enough to keep.
    pub(crate) fn may_be_resident(&self) -> bool {
        self.checked.weights_of_jobs().iter().sum::<usize>() <= MAX_RESIDENT
    }

    /// The weights of all blocks in the processor's memory, for callers that will be back; `None` when they are too many to
    /// keep.
    pub(crate) fn resident(&self) -> Result<Option<Arc<Vec<Buffer>>>> {
        self.check_trained()?;
        let resident = match &*self.weights {
            Weights::None | Weights::Part { .. } => return Err(not_trained()),
            Weights::InMemory(blocks) => return Ok(Some(blocks.clone())),
            Weights::Stored { resident, .. } => resident,
        };
        if !self.may_be_resident() {
            return Ok(None);
        }
        let mut resident = resident.lock().unwrap_or_else(PoisonError::into_inner);
        if resident.is_none() {
            let blocks = 1..=self.checked.jobs();
            *resident = Some(Arc::new(blocks.map(|block| self.block(block, &Device::Cpu)).collect::<Result<_>>()?));
        }
        Ok(resident.clone())
    }
}

fn not_trained() -> Error {
    Error::new(Code::NotTrained, "the model has no trained weights")
        .expected("a model that has been trained or loaded")
        .hint("call fit first, or load a model file")
}
