//! The tensors of blocks, as files of models and of parts have them.

use super::encoder;
use crate::config::CheckedConfig;
use crate::error::{Code, Error, Result};
use crate::storage::container::TensorShape;

/// Checks some values of a block, of which `first` is the place of the first one.
pub(super) fn check_finite(checked: &CheckedConfig, block: usize, first: usize, values: &[f32]) -> Result<()> {
    let Some(at) = values.iter().position(|value| !value.is_finite()) else { return Ok(()) };
    let (value, at) = (values[at], first + at);
    let entry = checked.layout_of(block).entries().iter().find(|entry| at < entry.slot.offset + entry.slot.len);
    let (name, place) = entry.map_or(("", at), |entry| (entry.name.as_str(), at - entry.slot.offset));
    Err(Error::new(
        Code::ModelFormat,
        format!("value {place} of tensor blocks.{block:04}.{name} is not a finite number"),
    )
    .expected("finite weights")
    .received(value.to_string())
    .hint("the file is damaged or was made by a training that diverged; get it again from its source, or train again"))
}

/// Names and shapes of all tensors of a model, in the order of their names.
pub fn tensors(checked: &CheckedConfig) -> impl Iterator<Item = TensorShape> + '_ {
    tensors_of(checked, 1..=checked.jobs()).chain(encoder::tensors(checked))
}

/// Names and shapes of the tensors of some blocks (from 1).
pub(super) fn tensors_of<'a>(
    checked: &'a CheckedConfig,
    blocks: impl IntoIterator<Item = usize> + 'a,
) -> impl Iterator<Item = TensorShape> + 'a {
    blocks.into_iter().flat_map(|block| {
        checked
            .layout_of(block)
            .entries()
            .iter()
            .map(move |entry| (format!("blocks.{block:04}.{}", entry.name), entry.shape.clone()))
    })
}
