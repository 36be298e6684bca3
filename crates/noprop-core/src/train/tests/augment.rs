//! Augmented training: what a batch then holds, that no schedule changes a bit of it, and which checkpoints it goes on from.

use super::*;
use crate::data::augment::Augmenter;
use crate::data::{Augment, Flip};
use crate::error::Code;
use crate::train::batch::Gather;
use crate::train::checkpoint::Checkpoint;

const AUGMENT: Augment = Augment { shift: 2, flip: Flip::Random, cutout: 0 };
/// With what depends on the epoch otherwise.
const OTHER: Augment = Augment { shift: 1, flip: Flip::Alternating, cutout: 5 };

pub(super) fn augmented(augment: Augment, batch: usize) -> FitOptions {
    FitOptions { augment, ..options(batch) }
}

/// A small mlp with dropout for [`images`].
pub(super) fn mlp_of_images(blocks: usize) -> ModelConfig {
    ModelConfig { input: cnn(1).input, ..mlp(blocks) }
}

#[test]
fn a_batch_is_the_epochs_samples_changed_by_what_is_drawn_for_them() {
    let (plain, plan) = [options(16), augmented(AUGMENT, 16)].map(|options| plan(cnn(2), options, &images(41))).into();
    // Of three epochs of three steps each.
    let (mut changed, mut compared) = (0, 0);
    for step in [0, 2, 1, 5, 3, 8, 0] {
        let (batch, unchanged) = (plan.batch(step).unwrap(), plain.batch(step).unwrap());
        assert_eq!((&batch.samples, &batch.classes), (&unchanged.samples, &unchanged.classes));
        let [x, same] = [&batch, &unchanged].map(|batch| crate::ops::testing::values(&batch.x));
        for (row, sample) in batch.samples.iter().enumerate() {
            let mut expected = [0.0; 196];
            AUGMENT
                .draw(7, step as usize / 3, *sample as usize)
                .value(&plan.data, *sample as usize, &mut expected)
                .unwrap();
            let found = &x[row * 196..(row + 1) * 196];
            assert_eq!(found, expected.map(f64::from), "step {step}, row {row}");
            changed += usize::from(found != &same[row * 196..(row + 1) * 196]);
            compared += 1;
        }
    }
    // One in 50 stays as it is.
    assert!(changed * 10 > compared * 9, "only {changed} of {compared} images are changed");
}

#[test]
fn samples_are_changed_alike_in_either_precision() {
    let data = images(9);
    let augmenter = Some(Augmenter { augment: AUGMENT, seed: 3, epoch: 2, mixup: 0.0 });
    let filled = |dtype| {
        let x =
            crate::tensor::Buffer::new(candle_core::Tensor::zeros((1, 4 * 196), dtype, &Device::Cpu).unwrap()).unwrap();
        Gather { data: &data, samples: &[8, 0, 3, 3], augmenter }.fill(&x).unwrap();
        crate::ops::testing::values(&x)
    };
    assert_eq!(filled(candle_core::DType::F32), filled(candle_core::DType::F64));
}

#[test]
fn augmented_training_is_the_same_under_any_schedule() {
    for augment in [AUGMENT, OTHER] {
        invariance::check(&cnn(3), &augmented(augment, 16), &images(41));
    }
}

#[test]
fn the_weights_depend_on_the_kind_of_change() {
    let sha256 = |augment| sha256(plan(cnn(2), augmented(augment, 16), &images(41)));
    let none = super::sha256(plan(cnn(2), options(16), &images(41)));
    assert_eq!(sha256(Augment { shift: 0, flip: Flip::Never, cutout: 0 }), none);
    use Flip::{Alternating, Never, Random};
    let others = [(1, Never, 0), (0, Random, 0), (1, Random, 0), (2, Random, 0), (0, Alternating, 0), (0, Never, 3)];
    let others = others.map(|(shift, flip, cutout)| sha256(Augment { shift, flip, cutout }));
    for (i, other) in others.iter().enumerate() {
        assert!(*other != none && !others[..i].contains(other));
    }
}

#[test]
fn a_checkpoint_is_gone_on_with_under_the_same_changes_alone() {
    let data = images(41);
    let directory = tempfile::tempdir().unwrap();
    let with = |augment| plan(cnn(1), augmented(augment, 16), &data);
    let open = |augment, resume| Checkpoint::open(directory.path(), &with(augment), resume);
    drop(open(AUGMENT, false).unwrap());
    drop(open(AUGMENT, true).unwrap());
    let none = Augment::default();
    for (augment, name) in [
        (Augment { shift: 1, ..AUGMENT }, "training.augment.shift differ"),
        (Augment { flip: Flip::Never, ..AUGMENT }, "training.augment.flip differ"),
        (Augment { flip: Flip::Alternating, ..AUGMENT }, "training.augment.flip differ"),
        (Augment { cutout: 4, ..AUGMENT }, "training.augment.cutout differ"),
        (none, "training.augment differ"),
    ] {
        let error = open(augment, true).err().expect("a refusal");
        assert_eq!(error.code, Code::CheckpointMismatch);
        assert!(error.what.contains(&format!("another run: {name}")), "{error}");
    }
    // A run without augmentation writes what runs wrote before there was any.
    let directory = tempfile::tempdir().unwrap();
    drop(Checkpoint::open(directory.path(), &with(none), false).unwrap());
    let text = std::fs::read_to_string(directory.path().join("run.json")).unwrap();
    assert!(text.contains("precision") && !text.contains("augment"), "{text}");
    let error = Checkpoint::open(directory.path(), &with(AUGMENT), true).err().expect("a refusal");
    assert!(error.what.contains("training.augment differ"), "{error}");
}

#[test]
fn vectors_are_no_images() {
    let plan = Plan::new(mlp(2).check().unwrap(), augmented(AUGMENT, 8), vectors(50));
    let error = plan.err().expect("a refusal");
    assert_eq!(error.code, Code::Option);
    assert!(error.what.contains("augment"), "{error}");
}

/// Moving and mirroring the bright rows of these images leaves them readable.
#[test]
fn augmented_blocks_learn() {
    let options = FitOptions { epochs: 20, ..augmented(AUGMENT, 16) };
    let run = Run::start(plan(mlp_of_images(1), options, &images(150)));
    let events = run.drive(&[1], 1, |_| false);
    let Some(Event::Block { losses, .. }) = events.last() else { panic!("{events:?}") };
    assert!(losses.last().unwrap() < &(0.5 * losses[0]), "{losses:?}");
}
