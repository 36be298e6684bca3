//! Shows the states of a window after each block. They wait on the device to be read together, as far as there is room.

use super::chunks::ChunkSizes;
use crate::cuda::Engine;
use crate::error::Result;
use candle_core::{DType, Tensor};

/// See the module.
pub(super) struct StateReader<'a, 'b> {
    engine: &'a Engine,
    see: &'a mut &'b mut dyn FnMut(usize, usize, &[f32]),
    blocks: usize,
    /// `[waiting, samples · classes]`: after the blocks up to the last one that was shown; `None` if each is shown at once.
    states: Option<Tensor>,
    /// States that wait there.
    waiting: usize,
}

impl<'a, 'b> StateReader<'a, 'b> {
    /// For states like `z` `[1, samples · classes]`.
    pub(super) fn new(
        (engine, sizes): (&'a Engine, ChunkSizes),
        z: &Tensor,
        blocks: usize,
        see: &'a mut &'b mut dyn FnMut(usize, usize, &[f32]),
    ) -> Result<Self> {
        let values = z.elem_count();
        let states =
            sizes.waiting(values, blocks).map(|rows| Tensor::zeros((rows, values), DType::F32, &engine.device));
        Ok(Self { engine, see, blocks, states: states.transpose()?, waiting: 0 })
    }

    /// Takes the states after a block, of the samples from `first` on.
    pub(super) fn after(&mut self, block: usize, first: usize, z: &Tensor) -> Result<()> {
        let Some(states) = &self.states else {
            (self.see)(block, first, &self.engine.read(z)?);
            return Ok(());
        };
        self.engine.copy(&states.narrow(0, self.waiting, 1)?, z)?;
        self.waiting += 1;
        if self.waiting == states.dims()[0] || block == self.blocks {
            let read: Vec<f32> = self.engine.read(states)?;
            for (row, states) in read.chunks_exact(z.elem_count()).take(self.waiting).enumerate() {
                (self.see)(block + 1 + row - self.waiting, first, states);
            }
            self.waiting = 0;
        }
        Ok(())
    }
}
