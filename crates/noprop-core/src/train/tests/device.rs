//! Training by the kernels, on their emulation: it follows the processor's own code, and no bit depends on how many blocks are
//! stacked, on how many devices, or on interruptions.

mod augment;
mod cnn;
mod large;
mod launches;
mod loads;
mod methods;
mod presets;
mod several;

use super::resume::{checkpointed, interrupted};
use super::*;
use crate::config::Precision;
use crate::error::Code;
use crate::train::device::{DeviceData, Stack};

fn on(devices: &str, options: FitOptions) -> FitOptions {
    FitOptions { device: devices.parse().unwrap(), ..options }
}

/// The states of `blocks` after `steps` steps that they make together on the emulation.
fn stacked(plan: &Plan, blocks: &[usize], steps: u64) -> Vec<Vec<f32>> {
    let engine = &plan.engines[0];
    let data = DeviceData::upload(engine, &plan.data).unwrap();
    let mut stack = Stack::new(plan, engine, blocks.len(), plan.model.head_of(blocks[0]).is_some()).unwrap();
    let states: Vec<_> =
        blocks.iter().map(|block| BlockJob::start(plan, *block, &Device::Cpu).unwrap().state().unwrap()).collect();
    stack.load(plan, engine, blocks, &states).unwrap();
    stack.begin_epoch(plan, 0, 0).unwrap();
    (0..steps).for_each(|step| stack.step(plan, engine, &data, step, &StopFlag::new()).unwrap());
    (0..blocks.len()).map(|row| stack.state(engine, row).unwrap()).collect()
}

/// Kernels read four weights at once only from addresses that are multiples of 16 bytes, in every row.
#[test]
fn rows_of_state_begin_where_four_values_are_read_at_once() {
    let plan = plan(mlp(3), on("emulated", options(8)), &vectors(50));
    let (parameters, weights) = (plan.model.layout.parameters(), plan.model.layout.weights());
    assert!(!(2 * parameters + weights).is_multiple_of(4), "padding has nothing to do in this test");
    let stack = Stack::new(&plan, &plan.engines[0], 3, false).unwrap();
    let rows = crate::cuda::DeviceRows::of(&stack.state).unwrap();
    // At most three values more for each of the 6 tensors, three times.
    assert!(rows.stride.is_multiple_of(4) && rows.stride <= 2 * parameters + weights + 3 * 3 * 6, "{rows:?}");
}

/// On a device tensors have room between them, and the first convolution four channels; what a checkpoint and the model have is
/// packed as on the processor.
#[test]
fn states_come_back_from_a_device_as_they_went_there() {
    for (config, data) in [(mlp(3), vectors(50)), (cnn(3), images(40))] {
        let plan = plan(config, on("emulated", options(8)), &data);
        let expected = [2, 3].map(|block| BlockJob::start(&plan, block, &Device::Cpu).unwrap().state().unwrap());
        assert!(stacked(&plan, &[2, 3], 0) == expected);
        // Something in every one of the four parts.
        let layout = &plan.model.layout;
        let after = &stacked(&plan, &[2, 3], 2)[0];
        let ends = [0, layout.parameters(), layout.weights(), layout.weights() + layout.parameters(), after.len()];
        assert_eq!(after.len(), expected[0].len());
        for part in ends.windows(2).filter(|part| part[0] < part[1]) {
            assert!(after[part[0]..part[1]] != expected[0][part[0]..part[1]], "values {part:?} have not moved");
            assert!(after[part[1] - 1].is_finite());
        }
    }
}

/// A recording that somebody else on the card breaks is no failure, and costs no step.
#[test]
fn steps_whose_recordings_are_broken_are_launched_directly() {
    let plan = plan(mlp(2), on("emulated", options(8)), &vectors(50));
    let expected = stacked(&plan, &[1, 2], 7);
    plan.engines[0].breaks.store(4, std::sync::atomic::Ordering::Relaxed);
    assert!(stacked(&plan, &[1, 2], 7) == expected);
    assert_eq!(plan.engines[0].breaks.load(std::sync::atomic::Ordering::Relaxed), 1);
}

/// Greatest difference over the greatest value.
fn relative(found: &[f32], expected: &[f32]) -> f32 {
    let greatest = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    found.iter().zip(expected).fold(0.0_f32, |most, (found, expected)| most.max((found - expected).abs())) / greatest
}

/// After one step the first moments are a tenth of the gradients, and they have seen everything: batch, noise, masks, loss
/// and every layer both ways. Both sides sum some hundred f32 products in another order, so 1e-4 of the greatest gradient is a
/// few hundred roundings of 6e-8; another mask or another noise would change it by percents.
fn check_a_step(config: &ModelConfig, options: &FitOptions, data: &Arc<Dataset>) {
    for weighting in [Weighting::Uniform, Weighting::Snr] {
        let options = FitOptions { weighting, ..options.clone() };
        let plan = plan(config.clone(), on("emulated", options.clone()), data);
        let reference = super::plan(config.clone(), options, data);
        let (n, all) = (plan.model.layout.parameters(), plan.model.layout.weights());
        for (block, found) in [2, 5, 1].into_iter().zip(stacked(&plan, &[2, 5, 1], 1)) {
            let expected = job(&reference, block, 1).state().unwrap();
            let parts = [("moments", all..all + n), ("squares", all + n..all + 2 * n), ("statistics", n..all)];
            for (part, range) in parts.into_iter().filter(|(_, range)| !range.is_empty()) {
                let error = relative(&found[range.clone()], &expected[range]);
                assert!(error < 1e-4, "block {block}, {part}: {error}");
            }
            // Adam makes a whole step of the sign of a gradient, also of one that is nothing but roundings, as those of biases
            // before a batch norm are.
            let (rate, moments) = (reference.options.learning_rate as f32, &expected[all..all + n]);
            let greatest = moments.iter().fold(0.0_f32, |most, moment| most.max(moment.abs()));
            let counts = (0..n).filter(|index| moments[*index].abs() > 1e-3 * greatest);
            let far = counts.filter(|index| (found[*index] - expected[*index]).abs() > 1e-3 * rate).count();
            assert_eq!(far, 0, "block {block}: so many parameters of {n} differ");
        }
    }
}

#[test]
fn a_step_of_an_mlp_has_the_processors_gradients() {
    check_a_step(&mlp(5), &options(16), &vectors(50));
}

/// The losses of an epoch that follow on each other's weights: roundings grow, but slowly at the beginning of training.
fn check_losses(config: &ModelConfig, options: &FitOptions, data: &Arc<Dataset>) {
    let losses = |options: FitOptions| {
        let run = Run::start(plan(config.clone(), options, data));
        let events = run.drive(&[1, 2], 2, |_| false);
        run.finish();
        let mut losses = [const { Vec::new() }; 2];
        for event in events {
            if let Event::Block { block, losses: all, .. } = event {
                losses[block - 1] = all;
            }
        }
        losses.concat()
    };
    let options = FitOptions { learning_rate_schedule: LearningRateSchedule::OneCycle, ..options.clone() };
    let (expected, found) = (losses(options.clone()), losses(on("emulated", options)));
    assert_eq!((expected.len(), found.len()), (6, 6));
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found / expected - 1.0).abs() < 1e-3, "{found} and {expected}");
    }
}

/// Factors of 8 or 11 bits instead of 24 move a loss by less than a twentieth, and some bit of the weights in any case.
#[test]
fn every_precision_trains() {
    let data = vectors(50);
    let train = |precision: Precision| {
        let run = Run::start(plan(mlp(1), FitOptions { precision, ..on("emulated", options(16)) }, &data));
        let events = run.drive(&[1], 1, |_| false);
        let Some(Event::Block { loss, .. }) = events.last() else { panic!("{events:?}") };
        (*loss, run.finish().sha256().unwrap())
    };
    let (f32, tf32, bf16) = (train(Precision::F32), train(Precision::Tf32), train(Precision::Bf16));
    for (loss, _) in [&tf32, &bf16] {
        assert!((loss / f32.0 - 1.0).abs() < 0.05, "{loss} and {}", f32.0);
    }
    assert!(f32.1 != tf32.1 && tf32.1 != bf16.1 && f32.1 != bf16.1);
}

#[test]
fn the_losses_of_an_mlp_follow_the_processors() {
    check_losses(&mlp(2), &options(16), &vectors(50));
}

fn check_schedules(config: &ModelConfig, options: &FitOptions, data: &Arc<Dataset>) {
    let t = config.blocks;
    let with = |devices: &str, order: Vec<usize>, in_flight: usize| {
        let options = FitOptions { in_flight: Some(in_flight), ..on(devices, options.clone()) };
        let run = Run::start(plan(config.clone(), options, data));
        run.drive(&order, in_flight, |_| false);
        run.finish().sha256().unwrap()
    };
    let expected = with("emulated", (1..=t).collect(), 1);
    for (devices, in_flight) in [("emulated", 3), ("emulated", t), ("emulated:2", t), ("emulated:3", 3)] {
        assert_eq!(with(devices, (1..=t).collect(), in_flight), expected, "{devices}, {in_flight} in flight");
    }
    assert_eq!(with("emulated", (1..=t).rev().collect(), 3), expected, "reversed");
}

#[test]
fn an_mlp_is_the_same_for_any_number_of_blocks_in_flight_and_of_devices() {
    check_schedules(&mlp(10), &FitOptions { epochs: 2, ..options(16) }, &vectors(50));
}

fn check_interruptions(config: &ModelConfig, options: FitOptions, data: &Arc<Dataset>) {
    let options = on("emulated", options);
    let expected = sha256(plan(config.clone(), options.clone(), data));
    for devices in ["emulated", "emulated:2"] {
        let directory = tempfile::tempdir().unwrap();
        let (found, interruptions) = interrupted(config, &on(devices, options.clone()), data, directory.path());
        assert!(interruptions >= 2, "only {interruptions} interruptions");
        assert_eq!(found, expected, "{devices}, {interruptions} interruptions");
    }
}

#[test]
fn an_mlp_stopped_at_random_steps_ends_the_same() {
    check_interruptions(&mlp(4), options(8), &vectors(50));
}

#[test]
fn blocks_that_are_at_different_steps_meet_and_end_the_same() {
    let data = vectors(50);
    let directory = tempfile::tempdir().unwrap();
    let options = on("emulated", options(8));
    let new = || plan(mlp(3), checkpointed(options.clone(), directory.path()), &data);
    // Block 2 is in the middle of the second epoch, block 3 in the first, block 1 nowhere.
    interrupt(new(), &[2], 1, |event| matches!(event, Event::Checkpoint { step: 10, .. }));
    interrupt(new(), &[3], 1, |event| matches!(event, Event::Checkpoint { step: 3, .. }));
    let run = Run::start(new());
    let events = run.drive(&[1, 2, 3], 3, |_| false);
    let steps = |wanted: usize| -> Vec<u64> {
        let step = |event: &Event| match event {
            Event::Checkpoint { block, step } if *block == wanted => Some(*step),
            _ => None,
        };
        events.iter().filter_map(step).collect()
    };
    assert_eq!(steps(1), (1..=21).collect::<Vec<_>>());
    assert_eq!(steps(3), (4..=21).collect::<Vec<_>>());
    assert_eq!(steps(2), (11..=21).collect::<Vec<_>>());
    assert_eq!(run.finish().sha256().unwrap(), sha256(plan(mlp(3), options, &data)));
}

#[test]
fn each_block_emits_its_epochs_in_order_and_then_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let options = FitOptions { checkpoint: Some(directory.path().to_owned()), checkpoint_seconds: 0.0, ..options(16) };
    let run = Run::start(plan(mlp(5), on("emulated:2", options), &vectors(50)));
    let events = run.drive(&[1, 2, 3, 4, 5], 5, |_| false);
    for block in 1..=5 {
        let (_, checkpoints) = super::events::check(&events, block, run.training.plan());
        assert_eq!(checkpoints, 12, "one after each step");
    }
    run.finish();
}

#[test]
fn a_checkpoint_of_the_processor_is_not_gone_on_with_by_kernels() {
    let data = vectors(50);
    let directory = tempfile::tempdir().unwrap();
    sha256(plan(mlp(1), checkpointed(options(8), directory.path()), &data));
    let plan = plan(mlp(1), checkpointed(on("emulated", options(8)), directory.path()), &data);
    let error = Training::start(plan, Box::new(|_| {})).err().expect("a refusal");
    assert_eq!(error.code, Code::CheckpointMismatch);
    assert!(error.expected.contains("emulation"), "{error}");
}

/// Losses and finiteness once an epoch, the states once at the end: although progress is shown in between.
#[test]
fn nothing_is_read_back_inside_of_an_epoch() {
    let (data, epochs, blocks) = (vectors(800), 2, 3);
    let options = on("emulated", FitOptions { epochs, ..options(8) });
    // Progress is due as soon as the second epoch has begun.
    let run = Run::observed(plan(mlp(blocks), options, &data), |event| {
        if matches!(event, Event::Epoch { block: 3, epoch: 1, .. }) {
            std::thread::sleep(Duration::from_millis(120));
        }
    });
    let reads = |run: &Run| run.training.plan().engines[0].reads.load(std::sync::atomic::Ordering::Relaxed);
    let per_epoch = run.training.plan().steps_per_epoch();
    let mut shown = Vec::new();
    let events = run.drive(&[1, 2, 3], blocks, |event| {
        if let Event::Progress { step, loss, .. } = event {
            shown.push((*step, *loss));
        }
        false
    });
    let inside: Vec<_> = shown.iter().filter(|(step, _)| !step.is_multiple_of(per_epoch)).collect();
    assert!(inside.len() >= blocks, "too little is shown for this test: {shown:?}");
    assert_eq!(reads(&run), epochs + blocks);
    // What is told inside of an epoch is what was known at the end of the one before.
    let known = |block: usize| {
        let losses = events.iter().find_map(|event| match event {
            Event::Block { block: of, losses, .. } if *of == block => Some(losses.clone()),
            _ => None,
        });
        losses.unwrap()[0]
    };
    for event in &events {
        if let Event::Progress { block, step, loss, .. } = event
            && *step < 2 * per_epoch
        {
            assert_eq!(*loss, (*step >= per_epoch).then(|| known(*block)), "{event:?}");
        }
    }
    run.finish();
    // With a checkpoint after every step each is read, so the count can see it.
    let directory = tempfile::tempdir().unwrap();
    let run = Run::start(plan(mlp(1), checkpointed(on("emulated", self::options(8)), directory.path()), &vectors(50)));
    run.drive(&[1], 1, |_| false);
    assert_eq!(reads(&run), 21 + 21 + 1);
    run.finish();
}

#[test]
fn a_stop_ends_no_block() {
    // Far more epochs than anyone waits for.
    let options = on("emulated", FitOptions { epochs: 1_000_000, ..options(8) });
    let run = Run::start(plan(mlp(3), options, &vectors(50)));
    let events = run.drive(&[1, 2, 3], 3, |event| matches!(event, Event::Epoch { epoch: 2, .. }));
    assert!(!events.iter().any(|event| matches!(event, Event::Block { .. })));
    run.training.stop();
    assert_eq!(run.training.finish().err().expect("an error").code, Code::NotTrained);
    assert!(!run.events.iter().any(|event| matches!(event, Event::Block { .. } | Event::Failed { .. })));
}

#[test]
fn numbers_that_are_no_longer_finite_are_told_with_their_block() {
    let options = on("emulated", FitOptions { learning_rate: 1e3, weight_decay: 1e3, epochs: 100, ..options(8) });
    let run = Run::start(plan(mlp(2), options, &vectors(50)));
    (1..=2).for_each(|block| run.training.start_block(block).unwrap());
    let (block, error) = loop {
        if let Event::Failed { block, error } = run.next() {
            break (block, error.0);
        }
    };
    assert_eq!(error.code, Code::Diverged);
    assert!(error.what.starts_with(&format!("block {block} diverged in step")), "{error}");
}
