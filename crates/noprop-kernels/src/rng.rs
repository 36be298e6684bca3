//! Counter-based random numbers: Philox 4x32-10 (Salmon et al., SC 2011).
//!
//! Every random number of this library is a pure function of (seed, purpose, block, epoch, sample, index). It never
//! depends on which numbers were drawn before, so the order in which work is done cannot change a result.
//!
//! ```
//! use noprop_kernels::rng::{Purpose, Stream};
//!
//! let (seed, block, epoch, sample) = (0, 3, 1, 12);
//! let stream = Stream::new(seed, Purpose::LabelNoise, block, epoch, sample);
//! let late = stream.normal(1000);
//! assert_eq!(stream.normal(0), Stream::new(seed, Purpose::LabelNoise, block, epoch, sample).normal(0));
//! assert_eq!(stream.normal(1000), late);
//! ```

use crate::math;

/// What a random number is for. Two purposes never share a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Purpose {
    /// Initial parameters; `sample` is the tensor's position in the block.
    Init = 0,
    /// Order of the samples in an epoch, shared by all blocks.
    Order = 1,
    /// ε of the noised label in training.
    LabelNoise = 2,
    /// z_0 of the inference chain.
    InitialState = 3,
    /// ε of a stochastic sampler step.
    SamplerNoise = 4,
    /// Changes of a training image, shared by all blocks.
    Augment = 5,
    /// t, or the noise level, of a sample in training.
    Time = 6,
    /// Noise around the way of flow matching.
    PathNoise = 7,
    /// ε of the last state in training, which a head is trained on.
    HeadNoise = 8,
    /// ε of the noised label in validation while training.
    ValidationNoise = 9,
    /// Which samples of a data set are held out for the test.
    Split = 10,
    /// The wrong label that a sample is contrasted with.
    WrongLabel = 12,
    /// Which other sample a training sample is mixed with, and how much.
    Mixup = 13,
    /// Embeddings of the classes, which all blocks share.
    Embedding = 11,
    /// The seed of an encoder, which is trained before the blocks.
    Encoder = 14,
    /// The noise level of a sample in validation while training.
    ValidationTime = 15,
    /// Dropout after the first stage of a block; later stages follow at `Dropout + stage`.
    Dropout = 16,
}

/// A stream of random numbers for one (seed, purpose, block, epoch, sample); `index` walks along it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    key: [u32; 2],
    /// Counter words 1, 2 and 3; word 0 is the index.
    high: [u32; 3],
}

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

impl Stream {
    /// The stream of one purpose. `block` is below 65,536 (configurations are refused above that).
    pub fn new(seed: u64, purpose: Purpose, block: usize, epoch: usize, sample: usize) -> Self {
        Self::with_purpose(seed, purpose as u16, block, epoch, sample)
    }

    /// The noise of a sample in inference, which is drawn by the sample's content instead of its place: `key` is a number that
    /// tells it.
    pub fn of_content(seed: u64, purpose: Purpose, block: usize, key: u64) -> Self {
        Self::new(seed, purpose, block, (key >> 32) as usize, (key & 0xFFFF_FFFF) as usize)
    }

    /// The stream of dropout stage `stage` (0-based) of a block.
    pub fn dropout(seed: u64, stage: u16, block: usize, epoch: usize, sample: usize) -> Self {
        Self::with_purpose(seed, Purpose::Dropout as u16 + stage, block, epoch, sample)
    }

    fn with_purpose(seed: u64, purpose: u16, block: usize, epoch: usize, sample: usize) -> Self {
        debug_assert!(block < 1 << 16);
        Self {
            key: [seed as u32, (seed >> 32) as u32],
            high: [sample as u32, epoch as u32, (u32::from(purpose) << 16) | block as u32],
        }
    }

    /// Four independent uniform 32-bit words at `index`.
    #[inline(always)]
    pub fn words(&self, index: u32) -> [u32; 4] {
        philox([index, self.high[0], self.high[1], self.high[2]], self.key)
    }

    /// The words of 16 consecutive indices, as `[word][index − first]`: one lane each, for vector code.
    ///
    /// A word stays in the lower half of 64 bits, where a product needs it and leaves it; what is above is of no account.
    /// Narrowing in every round would take most of the time.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "loops over indices are what the compiler vectorises")]
    pub fn words16(&self, first: u32) -> [[u32; 16]; 4] {
        const LOWER: u64 = 0xFFFF_FFFF;
        let mut key = self.key;
        let mut counter = [[0; 16], [self.high[0].into(); 16], [self.high[1].into(); 16], [self.high[2].into(); 16]];
        for lane in 0..16 {
            counter[0][lane] = u64::from(first) + lane as u64;
        }
        for round in 0..10 {
            if round > 0 {
                key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
            }
            let mut next = [[0; 16]; 4];
            for lane in 0..16 {
                let a = u64::from(MULTIPLIERS[0]) * (counter[0][lane] & LOWER);
                let b = u64::from(MULTIPLIERS[1]) * (counter[2][lane] & LOWER);
                next[0][lane] = (b >> 32) ^ counter[1][lane] ^ u64::from(key[0]);
                next[1][lane] = b;
                next[2][lane] = (a >> 32) ^ counter[3][lane] ^ u64::from(key[1]);
                next[3][lane] = a;
            }
            counter = next;
        }
        let mut words = [[0; 16]; 4];
        for word in 0..4 {
            for lane in 0..16 {
                words[word][lane] = counter[word][lane] as u32;
            }
        }
        words
    }

    /// A standard normal deviate at `index` (Box–Muller on the words of `index / 2`).
    pub fn normal(&self, index: u32) -> f64 {
        self.normal_pair(index / 2)[(index % 2) as usize]
    }

    /// The standard normal deviates at 2 · `pair` and 2 · `pair` + 1, for the price of one.
    pub fn normal_pair(&self, pair: u32) -> [f64; 2] {
        let words = self.words(pair);
        // (0, 1]: the logarithm is finite.
        let u1 = (f64::from(words[0]) + 1.0) / 4_294_967_296.0;
        let u2 = f64::from(words[1]) / 4_294_967_296.0;
        let radius = (-2.0 * math::ln(u1)).sqrt();
        let (sin, cos) = math::sin_cos(std::f64::consts::TAU * u2);
        [radius * cos, radius * sin]
    }

    /// A uniform deviate in [0, 1) at `index`.
    pub fn uniform(&self, index: u32) -> f64 {
        f64::from(self.words(index / 4)[(index % 4) as usize]) / 4_294_967_296.0
    }
}

/// One Philox 4x32-10 block.
#[inline(always)]
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        let a = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
        let b = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
        counter = [(b >> 32) as u32 ^ counter[1] ^ key[0], b as u32, (a >> 32) as u32 ^ counter[3] ^ key[1], a as u32];
    }
    counter
}

/// The order in which epoch `epoch` visits `samples` samples: sorted by a random key of each sample, ties by index.
/// All blocks share it, so that blocks that run in step can share their batches.
pub fn epoch_order(seed: u64, epoch: usize, samples: usize) -> Vec<u32> {
    let mut order = Vec::new();
    fill_epoch_order(seed, epoch, samples, &mut Vec::new(), &mut order);
    order
}

/// [`epoch_order`] into `order`; `keys` are for sorting. With buffers that have been used before nothing is allocated.
pub fn fill_epoch_order(seed: u64, epoch: usize, samples: usize, keys: &mut Vec<(u64, u32)>, order: &mut Vec<u32>) {
    keys.clear();
    keys.extend((0..samples).map(|sample| {
        let words = Stream::new(seed, Purpose::Order, 0, epoch, sample).words(0);
        (u64::from(words[0]) << 32 | u64::from(words[1]), sample as u32)
    }));
    keys.sort_unstable();
    order.clear();
    order.extend(keys.iter().map(|(_, sample)| *sample));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known-answer vectors published with Random123 (`kat_vectors`, philox4x32 10 rounds).
    #[test]
    fn philox_known_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
        assert_eq!(philox([!0; 4], [!0; 2]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
        assert_eq!(
            philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]),
            [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]
        );
    }

    #[test]
    fn sixteen_lanes_equal_single_calls() {
        let stream = Stream::new(11, Purpose::Dropout, 3, 7, 12345);
        let lanes = stream.words16(160);
        for (lane, index) in (160..176).enumerate() {
            assert_eq!(stream.words(index), lanes.map(|word| word[lane]));
        }
    }

    #[test]
    fn normal_has_mean_zero_and_variance_one() {
        let stream = Stream::new(7, Purpose::LabelNoise, 3, 1, 9);
        let n = 100_000;
        let (mut sum, mut square) = (0.0, 0.0);
        for index in 0..n {
            let value = stream.normal(index);
            sum += value;
            square += value * value;
        }
        assert!((sum / f64::from(n)).abs() < 0.01);
        assert!((square / f64::from(n) - 1.0).abs() < 0.02);
    }

    #[test]
    fn every_key_part_changes_the_stream() {
        let base = Stream::new(1, Purpose::LabelNoise, 2, 3, 4);
        let others = [
            Stream::new(2, Purpose::LabelNoise, 2, 3, 4),
            Stream::new(1 << 32 | 1, Purpose::LabelNoise, 2, 3, 4),
            Stream::new(1, Purpose::InitialState, 2, 3, 4),
            Stream::new(1, Purpose::LabelNoise, 3, 3, 4),
            Stream::new(1, Purpose::LabelNoise, 2, 4, 4),
            Stream::new(1, Purpose::LabelNoise, 2, 3, 5),
            Stream::dropout(1, 0, 2, 3, 4),
            Stream::dropout(1, 1, 2, 3, 4),
        ];
        for other in others {
            assert_ne!(base.words(0), other.words(0));
        }
    }

    #[test]
    fn epoch_order_is_a_permutation_that_changes_with_the_epoch() {
        let first = epoch_order(5, 0, 1000);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..1000).collect::<Vec<_>>());
        assert_ne!(first, epoch_order(5, 1, 1000));
        assert_eq!(first, epoch_order(5, 0, 1000));
    }
}
