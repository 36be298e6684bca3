//! Which noise a sample gets: it follows from the sample's own values. So the answer for a sample is the same wherever it
//! stands among others, and whichever of them stand beside it, while different samples get independent noise, over which
//! an evaluation averages.

use crate::data::{Dataset, Pixels};
use crate::error::Result;
use crate::memory::reserved;
use crate::storage::container::from_bytes;

/// Odd, so that a product with it loses nothing (the golden ratio's bits).
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

/// A number of each sample, which tells its content: a function of the values as a net sees them, so that bytes and the
/// same values as floats have the same one. 0 and −0, which no net tells apart, count as one.
pub(super) fn keys(data: &Dataset) -> Result<Vec<u64>> {
    let mut keys = reserved(data.samples(), "the samples' keys")?;
    let len = data.shape().len();
    let bits: [u32; 256] = std::array::from_fn(|value| (value as f32 / 255.0).to_bits());
    let of_bytes = |sample: &[u8]| key(sample, |value| bits[usize::from(value)]);
    match data.pixels() {
        Pixels::U8(values) => keys.extend(values.chunks_exact(len).map(of_bytes)),
        Pixels::F32(values) => {
            keys.extend(values.chunks_exact(len).map(|sample| key(sample, |value| (value + 0.0).to_bits())));
        }
        Pixels::Disk(values) if values.is_floats() => {
            for sample in 0..data.samples() {
                let sample: Vec<f32> = from_bytes(&values.read(sample..sample + 1)?);
                keys.push(key(&sample, |value| (value + 0.0).to_bits()));
            }
        }
        Pixels::Disk(values) => {
            for sample in 0..data.samples() {
                keys.push(of_bytes(&values.read(sample..sample + 1)?));
            }
        }
    }
    Ok(keys)
}

/// Four sums side by side, so that one need not wait for the other. Samples that differ have the same number by chance alone,
/// and would only share their noise.
fn key<T: Copy>(values: &[T], bits: impl Fn(T) -> u32) -> u64 {
    let step = |lane: &mut u64, word: u64| *lane = (*lane ^ word).wrapping_mul(FACTOR).rotate_left(29);
    let mut lanes = [1, 2, 3, 4];
    let mut groups = values.chunks_exact(8);
    for group in &mut groups {
        for (lane, pair) in lanes.iter_mut().zip(group.chunks_exact(2)) {
            step(lane, u64::from(bits(pair[0])) | u64::from(bits(pair[1])) << 32);
        }
    }
    for (value, lane) in groups.remainder().iter().zip(0..) {
        step(&mut lanes[lane % 4], u64::from(bits(*value)));
    }
    let mut key = values.len() as u64;
    for lane in lanes {
        step(&mut key, lane);
        key ^= key >> 32;
    }
    key.wrapping_mul(FACTOR) ^ key >> 29
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::InputShape;
    use std::collections::HashSet;

    fn of(pixels: Pixels, len: usize) -> Vec<u64> {
        keys(&Dataset::from_arrays(pixels, InputShape::Vector { len }, None).unwrap()).unwrap()
    }

    #[test]
    fn bytes_and_the_same_floats_have_the_same_keys_wherever_they_stand() {
        for len in [1, 7, 8, 9, 31] {
            let bytes: Vec<u8> = (0..5 * len).map(|value| (value * 89 % 256) as u8).collect();
            let floats = bytes.iter().map(|value| f32::from(*value) / 255.0).collect();
            let found = of(Pixels::U8(bytes.clone()), len);
            assert_eq!(found, of(Pixels::F32(floats), len));
            let reversed: Vec<u8> = bytes.chunks_exact(len).rev().flatten().copied().collect();
            let mut keys = of(Pixels::U8(reversed), len);
            keys.reverse();
            assert_eq!(keys, found);
        }
        assert_eq!(of(Pixels::F32(vec![0.0, 1.0]), 2), of(Pixels::F32(vec![-0.0, 1.0]), 2));
    }

    #[test]
    fn every_value_and_its_place_count() {
        let base = [0.25_f32; 19];
        let mut all = HashSet::from([of(Pixels::F32(base.to_vec()), 19)[0]]);
        for place in 0..19 {
            for value in [0.0, 0.5, 0.250_000_03, -0.25] {
                let mut changed = base;
                changed[place] = value;
                assert!(all.insert(of(Pixels::F32(changed.to_vec()), 19)[0]), "{value} at {place}");
            }
        }
        let zeros = (1..40).map(|len| of(Pixels::U8(vec![0; len]), len)[0]);
        assert_eq!(zeros.collect::<HashSet<_>>().len(), 39);
    }

    /// Neighbouring pictures must not have neighbouring noise: each bit of the key is set in about half of them.
    #[test]
    fn every_bit_of_a_key_is_fair() {
        let samples = 4096;
        let values = (0..samples).flat_map(|sample: u32| [sample as u8, (sample >> 8) as u8, 0]).collect();
        let keys = of(Pixels::U8(values), 3);
        for bit in 0..64 {
            let ones = keys.iter().filter(|key| *key >> bit & 1 == 1).count();
            // Five standard deviations of a fair coin: 5 · √4096 / 2.
            assert!(ones.abs_diff(2048) < 160, "bit {bit}: {ones} of {samples}");
        }
    }
}
