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
                let hole = (flip || down > 0)
                    .then_some(Hole { place: ((down * right) as u32).wrapping_mul(0x1357_9BDF), side: 2 });
                let change = Change { down, right, flip, hole };
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
        Change { down, right, flip, hole: None }.value(&data, 0, &mut out).unwrap();
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
    let augment = Augment { shift: 2, flip: Flip::Random, cutout: 0 };
    let mut counts = BTreeMap::new();
    const DRAWS: usize = 50_000;
    for sample in 0..DRAWS {
        let Change { down, right, flip, .. } = augment.draw(3, 1, sample);
        *counts.entry((down, right, flip)).or_insert(0_usize) += 1;
    }
    assert_eq!(counts.len(), 5 * 5 * 2);
    // Expected 1,000 each, with a deviation of 31.
    assert!(counts.values().all(|count| (840..1160).contains(count)), "{counts:?}");
}

#[test]
fn a_change_is_a_function_of_seed_epoch_and_sample() {
    let augment = Augment { shift: 1000, flip: Flip::Random, cutout: 0 };
    let changes = [(1, 2, 3), (2, 2, 3), (1 << 32 | 1, 2, 3), (1, 3, 3), (1, 2, 4)]
        .map(|(seed, epoch, sample)| augment.draw(seed, epoch, sample));
    for (i, change) in changes.iter().enumerate() {
        assert!(!changes[..i].contains(change), "{changes:?}");
    }
    assert_eq!(Augment::default().draw(1, 2, 3), Change { down: 0, right: 0, flip: false, hole: None });
    assert!(!Augment { shift: 5, flip: Flip::Never, cutout: 0 }.draw(1, 2, 3).flip);
}

#[test]
fn what_cannot_be_changed_is_refused() {
    let (shift, flip) =
        (Augment { shift: 3, flip: Flip::Never, cutout: 0 }, Augment { shift: 0, flip: Flip::Random, cutout: 0 });
    shift.check(shape(&[4, 9, 3])).unwrap();
    let error = shift.check(shape(&[9, 3])).unwrap_err();
    assert_eq!((error.code, error.received.as_str()), (Code::Option, "3"));
    assert!(error.what.contains("augment.shift") && error.expected.contains("0 to 2 pixels"), "{error}");
    for augment in [shift, flip] {
        let error = augment.check(shape(&[784])).unwrap_err();
        assert_eq!(error.code, Code::Option);
        assert!(error.what.contains("augment") && error.received.contains("784"), "{error}");
    }
    let error = Augment { cutout: 4, ..Augment::default() }.check(shape(&[4, 9, 3])).unwrap_err();
    assert!(error.what.contains("augment.cutout") && error.expected.contains("0 to 3 pixels"), "{error}");
    Augment::default().check(shape(&[784])).unwrap();
    assert!(Augment { shift: usize::MAX, flip: Flip::Random, cutout: 0 }.check(shape(&[4, 9])).is_err());
}

#[test]
fn alternating_flips_show_each_image_either_way_in_any_two_epochs() {
    let draw = |flip, epoch, sample| Augment { shift: 2, flip, cutout: 0 }.draw(9, epoch, sample);
    let flip = |epoch, sample| draw(Flip::Alternating, epoch, sample).flip;
    for sample in 0..200 {
        assert_eq!(flip(0, sample), draw(Flip::Random, 0, sample).flip, "the first epoch is by chance");
        for epoch in 0..5 {
            assert_ne!(flip(epoch, sample), flip(epoch + 1, sample), "{epoch} {sample}");
            // Where an image moves to is no matter of how it is mirrored.
            let [one, other] = [Flip::Alternating, Flip::Never].map(|flip| draw(flip, epoch, sample));
            assert_eq!((one.down, one.right), (other.down, other.right));
        }
    }
    let mirrored = (0..1000).filter(|sample| flip(1, *sample)).count();
    // Expected 500, with a deviation of 16.
    assert!((400..600).contains(&mirrored), "{mirrored}");
}

#[test]
fn a_hole_is_a_square_around_its_centre_within_the_image() {
    let area = |place, side| Hole { place, side }.area((4, 6));
    assert_eq!(area(0, 3), [0..2, 0..2]);
    assert_eq!(area(u32::MAX, 3), [2..4, 4..6]);
    // Pixel 15 of 24: row 2, column 3.
    let place = (15.5 / 24.0 * 4_294_967_296.0) as u32;
    assert_eq!(area(place, 1), [2..3, 3..4]);
    assert_eq!(area(place, 2), [1..3, 2..4]);
    assert_eq!(area(place, 3), [1..4, 2..5]);
    let augment = Augment { cutout: 3, ..Augment::default() };
    let draw = |epoch, sample| augment.draw(5, epoch, sample).hole.unwrap();
    assert!(draw(0, 1) != draw(1, 1) && draw(0, 1) != draw(0, 2) && draw(0, 1) == draw(0, 1));
    // Every pixel is a centre as often as every other: 1,000 times, with a deviation of 31.
    let mut counts = [0; 24];
    for sample in 0..24_000 {
        counts[((u64::from(draw(2, sample).place) * 24) >> 32) as usize] += 1;
    }
    assert!(counts.iter().all(|count| (840..1160).contains(count)), "{counts:?}");
}

#[test]
fn a_flip_is_a_boolean_or_alternating_and_is_written_as_before() {
    use crate::config::{FitOptions, from_json};
    let read = |flip: &str| from_json::<FitOptions>(&format!(r#"{{"augment":{{"flip":{flip}}}}}"#));
    for (json, flip) in [("true", Flip::Random), ("false", Flip::Never), (r#""alternating""#, Flip::Alternating)] {
        let augment = read(json).unwrap().augment;
        assert_eq!(augment.flip, flip);
        let written = serde_json::to_string(&augment).unwrap();
        assert_eq!(written, format!(r#"{{"shift":0,"flip":{json}}}"#));
    }
    for bad in ["1", r#""often""#, "null"] {
        let error = read(bad).unwrap_err();
        assert!(error.code == Code::Option && error.to_string().contains("true, false or 'alternating'"), "{error}");
    }
}
