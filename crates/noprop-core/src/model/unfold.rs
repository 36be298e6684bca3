//! A model whose embeddings have been learned, as inference sees it: the same blocks with fixed embeddings, and a head of its own.

use super::Model;
use crate::config::CheckedConfig;
use crate::diffusion::ClassVectors;
use crate::error::{Code, Error, Result};
use crate::method::block_prefix;
use crate::net::Layout;
use crate::tensor::Buffer;
use candle_core::{Device, Tensor};
use std::sync::{Arc, PoisonError};

impl Model {
    /// The model that inference runs instead, if it is another: the one job that trained all blocks is taken apart. It is kept where its
    /// weights are few enough.
    ///
    /// # Errors
    /// [`Code::NotTrained`], [`Code::ModelChanged`], [`Code::Io`].
    pub(crate) fn unfolded(&self) -> Result<Option<Arc<Self>>> {
        if !self.checked.is_folded() {
            return Ok(None);
        }
        self.check_trained()?;
        let mut kept = self.unfolded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = &*kept {
            return Ok(Some(model.clone()));
        }
        let model = Arc::new(self.unfold()?);
        *kept = self.may_be_resident().then(|| model.clone());
        Ok(Some(model))
    }

    fn unfold(&self) -> Result<Self> {
        let weights = self.block(1, &Device::Cpu)?.flatten_all()?.to_vec1::<f32>()?;
        let folded = &self.checked.layout;
        let classes = self.checked.config.classes.len();
        let vectors = ClassVectors::of_rows(classes, values(folded, &weights, "params.embedding.weight")?.into());
        let checked = self.checked.config.clone().with_vectors(vectors)?;
        let prefix = |job| if self.checked.is_coupled() { block_prefix(job) } else { String::new() };
        let jobs = (1..=checked.jobs())
            .map(|job| taken(&checked, job, &prefix(job), (folded, &weights)))
            .collect::<Result<_>>()?;
        Ok(Self::in_memory(checked, jobs))
    }
}

/// The weights of a job (from 1) among those of all, where the names of its layers begin with `prefix`.
fn taken(checked: &CheckedConfig, job: usize, prefix: &str, (folded, weights): (&Layout, &[f32])) -> Result<Buffer> {
    let is_head = checked.head_of(job).is_some();
    let mut own = Vec::with_capacity(checked.layout_of(job).weights());
    for entry in checked.layout_of(job).entries() {
        let name = match entry.name.split_once('.') {
            Some((kind, rest)) if is_head => format!("{kind}.class_{rest}"),
            Some((kind, rest)) => format!("{kind}.{prefix}{rest}"),
            None => entry.name.clone(),
        };
        own.extend(values(folded, weights, &name)?);
    }
    let len = own.len();
    Buffer::new(Tensor::from_vec(own, (1, len), &Device::Cpu)?)
}

fn values(folded: &Layout, weights: &[f32], name: &str) -> Result<Vec<f32>> {
    let entry = folded.entries().iter().find(|entry| entry.name == name);
    let entry = entry.ok_or_else(|| Error::new(Code::Internal, format!("a model of one job without {name}")))?;
    Ok(entry.slot.of(weights).to_vec())
}
