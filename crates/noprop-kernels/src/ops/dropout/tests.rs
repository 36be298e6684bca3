use super::Dropout;
use crate::ops::simd;
use crate::ops::testing::{tensor, values};
use crate::tensor::Buffer;

fn op<'a>(samples: &'a [u32], len: usize) -> Dropout<'a> {
    Dropout { rate: 0.2, seed: 5, stage: 1, blocks: &[3], epoch: 2, samples, len }
}

#[test]
fn fast_path_equals_reference_on_odd_lengths() {
    for len in [1, 15, 16, 17, 127, 128, 129, 500] {
        let samples = [4, 4_000_000_000, 9];
        let op = op(&samples, len);
        let reference = tensor::<f64>(&vec![1.0; 3 * len]);
        op.forward(&reference).unwrap();
        let expected: Vec<f64> = values(&reference).iter().map(|value| f64::from(*value as f32)).collect();
        simd::with_each(|_| {
            let fast = tensor::<f32>(&vec![1.0; 3 * len]);
            op.forward(&fast).unwrap();
            assert_eq!(values(&fast), expected, "length {len}");
        });
    }
}

#[test]
fn the_kept_share_and_the_mean_are_right() {
    let samples: Vec<u32> = (0..100).collect();
    let y = tensor::<f32>(&vec![1.0; 100 * 1000]);
    op(&samples, 1000).forward(&y).unwrap();
    let y = values(&y);
    let kept = y.iter().filter(|value| **value > 0.0).count() as f64 / 1e5;
    assert!((kept - 0.8).abs() < 0.005, "kept {kept}");
    assert!((y.iter().sum::<f64>() / 1e5 - 1.0).abs() < 0.007);
}

#[test]
fn a_mask_depends_on_the_sample_and_not_on_its_place_in_the_batch() {
    let mask = |samples: &[u32]| {
        let y = tensor::<f32>(&vec![1.0; samples.len() * 200]);
        op(samples, 200).forward(&y).unwrap();
        values(&y)
    };
    let (there, back) = (mask(&[1, 2]), mask(&[2, 1]));
    assert_eq!(there[..200], back[200..]);
    assert_ne!(there[..200], there[200..]);
    let other_stage = tensor::<f32>(&vec![1.0; 200]);
    Dropout { stage: 0, ..op(&[1], 200) }.forward(&other_stage).unwrap();
    assert_ne!(values(&other_stage), there[..200]);
}

#[test]
fn a_rate_of_zero_changes_nothing() {
    let y = tensor::<f32>(&[1.5; 64]);
    Dropout { rate: 0.0, ..op(&[7], 64) }.forward(&y).unwrap();
    assert_eq!(values(&y), [1.5; 64]);
}

#[test]
fn each_row_has_the_mask_of_its_block() {
    let mask = |blocks: &[usize]| {
        let ones =
            candle_core::Tensor::ones((blocks.len(), 200), candle_core::DType::F32, &candle_core::Device::Cpu).unwrap();
        let y = Buffer::new(ones).unwrap();
        Dropout { blocks, ..op(&[1], 200) }.forward(&y).unwrap();
        values(&y)
    };
    let together = mask(&[3, 8]);
    assert_eq!(together[..200], mask(&[3]));
    assert_eq!(together[200..], mask(&[8]));
    assert_ne!(together[..200], together[200..]);
}
