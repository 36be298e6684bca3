//! The row by row copy against its definition, and the chances.

use super::*;
use crate::data::Pixels;
use std::collections::BTreeMap;

fn data(shape: &[usize], samples: usize, bytes: bool) -> Dataset {
    let shape = InputShape::new(shape).unwrap();
    let values = 0..samples * shape.len();
    let pixels = match bytes {
        true => Pixels::U8(values.map(|i| (i * 37 % 255 + 1) as u8).collect()),
        false => Pixels::F32(values.map(|i| i as f32 * 0.3 - 20.5).collect()),
    };
    Dataset::from_arrays(pixels, shape, None).unwrap()
}

/// Pixel by pixel from [`Change::source`].
fn plain(change: Change, sample: &[f32], [height, width, channels]: [usize; 3]) -> Vec<f32> {
    let mut out = Vec::new();
    for (row, column) in (0..height).flat_map(|row| (0..width).map(move |column| (row, column))) {
        match change.source((height, width), (row, column)) {
            Some((row, column)) => {
                out.extend_from_slice(&sample[(row * width + column) * channels..][..channels]);
            }
            None => out.extend(std::iter::repeat_n(0.0, channels)),
        }
    }
    out
}

#[test]
fn rows_equal_the_definition_for_every_change() {
    for (size, bytes) in [([4, 5, 3], true), ([5, 3, 1], true), ([1, 1, 2], false), ([3, 6, 2], false)] {
        let [height, width, _] = size.map(|size| size as isize);
        let data = data(&size, 2, bytes);
        // Also shifts that leave nothing.
        for (down, right) in (-height..=height).flat_map(|down| (-width..=width).map(move |right| (down, right))) {
            for flip in [false, true] {
                let change = Change { down, right, flip };
                let mut out = vec![f32::NAN; data.shape().len()];
                change.value(&data, 1, &mut out).unwrap();
                assert_eq!(out, plain(change, &data.sample(1).unwrap(), size), "{size:?}, {change:?}");
            }
        }
    }
}

#[test]
fn a_small_picture_moves_and_turns_as_one_expects() {
    let data = Dataset::from_arrays(Pixels::F32((1..=6).map(|i| i as f32).collect()), shape(&[2, 3]), None).unwrap();
    let changed = |down, right, flip| {
        let mut out = vec![f32::NAN; 6];
        Change { down, right, flip }.value(&data, 0, &mut out).unwrap();
        out
    };
    assert_eq!(changed(0, 0, false), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(changed(0, 0, true), [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]);
    assert_eq!(changed(1, 1, false), [0.0, 0.0, 0.0, 0.0, 1.0, 2.0]);
    assert_eq!(changed(-1, 0, false), [4.0, 5.0, 6.0, 0.0, 0.0, 0.0]);
    assert_eq!(changed(0, -1, true), [2.0, 1.0, 0.0, 5.0, 4.0, 0.0]);
}

fn shape(sizes: &[usize]) -> InputShape {
    InputShape::new(sizes).unwrap()
}

#[test]
fn every_change_is_as_likely_as_every_other() {
    let augment = Augment { shift: 2, flip: true };
    let mut counts = BTreeMap::new();
    const DRAWS: usize = 50_000;
    for sample in 0..DRAWS {
        let Change { down, right, flip } = augment.draw(3, 1, sample);
        *counts.entry((down, right, flip)).or_insert(0_usize) += 1;
    }
    assert_eq!(counts.len(), 5 * 5 * 2);
    // Expected 1,000 each, with a deviation of 31.
    assert!(counts.values().all(|count| (840..1160).contains(count)), "{counts:?}");
}

#[test]
fn a_change_is_a_function_of_seed_epoch_and_sample() {
    let augment = Augment { shift: 1000, flip: true };
    let changes = [(1, 2, 3), (2, 2, 3), (1 << 32 | 1, 2, 3), (1, 3, 3), (1, 2, 4)]
        .map(|(seed, epoch, sample)| augment.draw(seed, epoch, sample));
    for (i, change) in changes.iter().enumerate() {
        assert!(!changes[..i].contains(change), "{changes:?}");
    }
    assert_eq!(Augment::default().draw(1, 2, 3), Change { down: 0, right: 0, flip: false });
    assert!(!Augment { shift: 5, flip: false }.draw(1, 2, 3).flip);
}

#[test]
fn what_cannot_be_changed_is_refused() {
    let (shift, flip) = (Augment { shift: 3, flip: false }, Augment { shift: 0, flip: true });
    shift.check(shape(&[4, 9, 3])).unwrap();
    let error = shift.check(shape(&[9, 3])).unwrap_err();
    assert_eq!((error.code, error.received.as_str()), (Code::Option, "3"));
    assert!(error.what.contains("augment.shift") && error.expected.contains("0 to 2 pixels"), "{error}");
    for augment in [shift, flip] {
        let error = augment.check(shape(&[784])).unwrap_err();
        assert_eq!(error.code, Code::Option);
        assert!(error.what.contains("augment") && error.received.contains("784"), "{error}");
    }
    Augment::default().check(shape(&[784])).unwrap();
    assert!(Augment { shift: usize::MAX, flip: true }.check(shape(&[4, 9])).is_err());
}
