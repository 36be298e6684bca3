//! The whole model while it trains: blocks hand in their weights after an epoch, and when those of all blocks are there the chain
//! is measured. Nobody waits for it, so it changes nothing of the training.

use crate::tensor::Buffer;
use std::collections::BTreeMap;

/// Epochs of which weights are kept: of blocks in flight some are at the end of an epoch while others are in the one before.
const EPOCHS: usize = 2;

/// The weights that have been handed in.
pub(super) struct Chain {
    blocks: usize,
    /// By epoch, from 1: the weights of each block, as far as they are there.
    pending: BTreeMap<usize, Vec<Option<Buffer>>>,
    /// Blocks that have ended, after which epoch, and their last weights.
    ended: Vec<Option<(usize, Buffer)>>,
    /// Epochs up to this one are done with.
    done: usize,
}

/// An epoch with the weights of all blocks.
pub(super) type Complete = (usize, Vec<Buffer>);

impl Chain {
    pub(super) fn new(blocks: usize) -> Self {
        Self { blocks, pending: BTreeMap::new(), ended: vec![None; blocks], done: 0 }
    }

    /// Takes the weights `[1, parameters + statistics]` of `block` (from 1) after `epoch`. Returns that epoch if it was the last
    /// block to come to its end. An epoch that most blocks have left behind is given up.
    pub(super) fn put(&mut self, block: usize, epoch: usize, weights: Buffer) -> Option<Complete> {
        if epoch <= self.done {
            return None;
        }
        self.pending.entry(epoch).or_insert_with(|| vec![None; self.blocks])[block - 1] = Some(weights);
        if self.pending.len() > EPOCHS
            && let Some((oldest, _)) = self.pending.pop_first()
        {
            self.done = oldest;
        }
        self.complete(epoch)
    }

    /// Takes the weights of a block that has ended after `epoch`: its part in all later epochs.
    pub(super) fn end(&mut self, block: usize, epoch: usize, weights: Buffer) -> Vec<Complete> {
        self.ended[block - 1] = Some((epoch, weights));
        let epochs: Vec<_> = self.pending.keys().copied().collect();
        epochs.into_iter().filter_map(|epoch| self.complete(epoch)).collect()
    }

    fn complete(&mut self, epoch: usize) -> Option<Complete> {
        let weights = self.pending.get(&epoch)?.iter().zip(&self.ended).map(|(here, ended)| match (here, ended) {
            (Some(weights), _) => Some(weights.clone()),
            (None, Some((last, weights))) if *last <= epoch => Some(weights.clone()),
            _ => None,
        });
        let weights = weights.collect::<Option<Vec<_>>>()?;
        self.pending = self.pending.split_off(&(epoch + 1));
        self.done = epoch;
        Some((epoch, weights))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Tensor};

    fn weights(value: f32) -> Buffer {
        Buffer::new(Tensor::from_vec(vec![value], (1, 1), &Device::Cpu).unwrap()).unwrap()
    }

    fn values(complete: Option<Complete>) -> Option<(usize, Vec<f32>)> {
        let (epoch, blocks) = complete?;
        Some((epoch, blocks.iter().map(|block| block.flatten_all().unwrap().to_vec1::<f32>().unwrap()[0]).collect()))
    }

    #[test]
    fn an_epoch_is_complete_once_when_all_blocks_are_there() {
        let mut chain = Chain::new(2);
        assert!(chain.put(1, 1, weights(1.1)).is_none());
        assert!(chain.put(1, 2, weights(1.2)).is_none());
        assert_eq!(values(chain.put(2, 1, weights(2.1))), Some((1, vec![1.1, 2.1])));
        assert_eq!(values(chain.put(2, 2, weights(2.2))), Some((2, vec![1.2, 2.2])));
        assert!(chain.put(2, 2, weights(2.2)).is_none());
    }

    #[test]
    fn weights_of_few_epochs_are_kept() {
        let mut chain = Chain::new(2);
        for epoch in 1..=9 {
            assert!(chain.put(1, epoch, weights(epoch as f32)).is_none());
            assert!(chain.pending.len() <= EPOCHS);
        }
        assert!(chain.put(2, 7, weights(0.0)).is_none());
        assert_eq!(values(chain.put(2, 8, weights(0.5))), Some((8, vec![8.0, 0.5])));
    }

    #[test]
    fn a_block_that_has_ended_is_part_of_later_epochs() {
        let mut chain = Chain::new(2);
        assert!(chain.put(2, 3, weights(2.3)).is_none());
        let found: Vec<_> = chain.end(1, 2, weights(1.2)).into_iter().map(|each| values(Some(each))).collect();
        assert_eq!(found, [Some((3, vec![1.2, 2.3]))]);
        assert_eq!(values(chain.put(2, 4, weights(2.4))), Some((4, vec![1.2, 2.4])));
    }
}
