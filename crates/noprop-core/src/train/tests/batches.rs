//! Shared batches: each is gathered once for all blocks that run in step, and who shared what changes no bit.

use super::*;
use crate::tensor::Buffer;
use crate::train::batches::Kept;
use candle_core::{DType, Tensor};

/// `(how often a batch was gathered, steps of a block, weights)` for `blocks` blocks that are all in flight.
fn gathered(threads: usize, blocks: usize, kept: Option<Kept>) -> (u64, u64, String) {
    // Steps that take long beside the change of threads on a busy machine.
    let net = NetConfig::Mlp { hidden: vec![256; 2], dropout: 0.1 };
    let config = model(blocks, InputShape::Vector { len: 6 }, net);
    let options = FitOptions { epochs: 20, threads: Some(threads), ..options(8) };
    let mut plan = plan(config, options, &vectors(50));
    let steps = plan.steps();
    if let Some(kept) = kept {
        plan.batches = plan.batches.keeping(kept);
    }
    // The first to finish an epoch (7 steps, less than a window) waits until all blocks are in flight.
    let gate = Gate::default();
    let closed = gate.clone();
    let run = Run::observed(plan, move |event| assert!(!matches!(event, Event::Epoch { .. }) || closed.wait()));
    (1..=blocks).for_each(|block| run.training.start_block(block).unwrap());
    gate.open();
    let ends = std::iter::repeat_with(|| run.next()).filter(|event| matches!(event, Event::Block { .. }));
    assert_eq!(ends.take(blocks).count(), blocks);
    let gathered = run.training.plan().batches.gathered();
    (gathered, steps, run.finish().sha256().unwrap())
}

#[test]
fn blocks_in_flight_share_their_batches() {
    // One thread keeps no more batches than a window has: it ends its slices where windows end.
    let (one, steps, _) = gathered(1, 6, None);
    assert_eq!(one, steps);
    for blocks in [6, 9] {
        let (two, steps, _) = gathered(2, blocks, None);
        println!("2 threads, {blocks} blocks: {two} batches gathered for {steps} steps");
        // Again only for a job that a busy machine has held up; without sharing it would be `blocks` times.
        assert!((steps..2 * steps).contains(&two), "{blocks} blocks: {two} for {steps} steps");
    }
}

#[test]
fn sharing_changes_no_bit() {
    let (_, _, expected) = gathered(1, 6, None);
    assert_eq!(gathered(2, 6, None).2, expected);
    // One batch and one order for all blocks; windows from one step to slices that end with the job.
    for (threads, capacity, window) in [(1, 1, 1), (1, 1, 1_000_000), (2, 1, 3), (3, 2, 1), (2, 40, 2)] {
        let (gathered, steps, weights) = gathered(threads, 6, Some(Kept { batches: capacity, window, orders: 1 }));
        assert_eq!(weights, expected, "{threads} threads, {capacity} batches, windows of {window}");
        assert!((steps..=6 * steps).contains(&gathered));
        // A block after the other on one thread: nothing is shared.
        assert!(window < 1_000_000 || gathered > 5 * steps, "{gathered}");
    }
}

#[test]
fn a_batch_is_the_epochs_samples_with_their_values_and_classes() {
    let plan = plan(mlp(2), options(16), &vectors(50));
    // Back and forth, so that buffers are used again, and over the short batch at the end of an epoch (2 samples).
    for step in [0, 3, 1, 7, 3, 4, 0] {
        let batch = plan.batch(step).unwrap();
        let order = crate::rng::epoch_order(7, step as usize / 4, 50);
        assert_eq!(batch.samples, order.chunks(16).nth(step as usize % 4).unwrap());
        let x = crate::ops::testing::values(&batch.x);
        for (row, sample) in batch.samples.iter().enumerate() {
            assert_eq!(batch.classes[row], sample % 3);
            let values: Vec<_> = plan.data.sample(*sample as usize).unwrap().into_iter().map(f64::from).collect();
            assert_eq!(x[row * 6..(row + 1) * 6], values, "step {step}, row {row}");
        }
    }
}

#[test]
fn a_lane_in_double_precision_computes_the_same_loss() {
    for (config, data) in [(mlp(2), vectors(50)), (cnn(2), images(41))] {
        let plan = plan(config, options(16), &data);
        let mut job = BlockJob::start(&plan, 1, &Device::Cpu).unwrap();
        let state = Tensor::new(job.state().unwrap(), &Device::Cpu).unwrap();
        let state = state.reshape((1, ())).unwrap().to_dtype(DType::F64).unwrap();
        let state = Buffer::new(state).unwrap();
        let mut trainer = Trainer::with_dtype(&plan, &Device::Cpu, DType::F64).unwrap();
        let mut fast = Trainer::new(&plan, &Device::Cpu).unwrap();
        for step in 0..5 {
            let (loss, _) = trainer.step(&plan, 1, step, &state, &StopFlag::new()).unwrap();
            let expected = job.step(&plan, &mut fast, &StopFlag::new()).unwrap();
            // Single precision through a few layers and steps.
            assert!((loss - expected).abs() < 1e-4, "step {step}: {loss} is not {expected}");
        }
    }
}
