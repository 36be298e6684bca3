//! What one training step computes: whose noise, which samples, which gradients, which rate; and where training leads.

use super::*;
use crate::error::Code;
use crate::net::Step;
use crate::net::{Buffers, Draw, Mode};
use crate::ops::adamw::AdamW;
use crate::ops::batch::NoisedLabels;
use crate::ops::squared_error::SquaredError;
use crate::ops::testing::{poisoned, tensor, values};
use crate::tensor::Buffer;
use candle_core::{DType, Tensor};

/// ᾱ_t of the default schedule of T blocks, from its definition.
fn alpha_bar(t: usize, blocks: usize) -> f64 {
    let angle = std::f64::consts::FRAC_PI_2 * (blocks - t) as f64 / blocks as f64;
    crate::math::cos(angle).powi(2).clamp(1e-4, 0.999)
}

/// A block's state before its first step.
fn initial_state(plan: &Plan, block: usize) -> Buffer {
    let layout = &plan.model.layout;
    let mut state = layout.initial_weights(plan.model.config.seed, block);
    state.resize(AdamW::state_len(layout.parameters(), layout.statistics()), 0.0);
    tensor::<f32>(&state.into_iter().map(f64::from).collect::<Vec<_>>())
}

fn trainer(plan: &Plan) -> Trainer {
    Trainer::new(plan, &Device::Cpu).unwrap()
}

/// The loss of one step written down anew: the epoch's samples, z = √ᾱ_{t−1} u_y + √(1 − ᾱ_{t−1}) ε, the block, the
/// error.
fn expected_loss(plan: &Plan, block: usize, step: u64) -> f64 {
    let config = &plan.model.config;
    let (width, batch) = (config.classes.len(), plan.options.batch_size());
    let (epoch, index) = ((step / plan.steps_per_epoch()) as usize, (step % plan.steps_per_epoch()) as usize);
    let order = crate::rng::epoch_order(config.seed, epoch, plan.data.samples());
    let samples = order.chunks(batch).nth(index).unwrap();
    let classes: Vec<u32> = samples.iter().map(|sample| sample % 3).collect();
    let share = alpha_bar(block - 1, config.blocks);
    let (mut x, mut z) = (Vec::new(), Vec::new());
    for (sample, class) in samples.iter().zip(&classes) {
        x.extend(plan.data.sample(*sample as usize).unwrap().into_iter().map(f64::from));
        let noise = Stream::new(config.seed, Purpose::LabelNoise, block, epoch, *sample as usize);
        for k in 0..width as u32 {
            let signal = if k == *class { share.sqrt() } else { 0.0 };
            z.push(signal + (1.0 - share).sqrt() * noise.normal(k));
        }
    }
    let buffers = Buffers {
        stacked: 1,
        capacity: samples.len(),
        dtype: DType::F32,
        device: Device::Cpu,
        training: true,
        launched: false,
    };
    let mut net = crate::net::Block::new(&config.net, config.input, width, &buffers).unwrap();
    let (state, gradients) = (&initial_state(plan, block), &poisoned::<f32>(plan.model.layout.parameters()));
    let (stop, precision) = (&StopFlag::new(), plan.options.precision);
    let pass = Step { state, gradients, optimiser: None, stop, samples: samples.len(), precision };
    let draw = Draw { seed: config.seed, blocks: &[block], epoch, samples };
    net.forward(pass, Mode::Training(draw), &tensor::<f32>(&x), &tensor::<f32>(&z)).unwrap();
    let loss = poisoned::<f32>(1);
    SquaredError { classes: &classes, width }.forward(&loss, net.estimate()).unwrap();
    values(&loss)[0]
}

/// Public implementations have trained blocks on a reversed schedule, on the factor of one block instead of the
/// cumulative share, and on ᾱ where √ᾱ belongs. The block sees z_{t−1} at the cumulative ᾱ_{t−1}.
#[test]
fn a_block_trains_on_the_noise_that_it_will_meet() {
    for (config, data) in [(mlp(5), vectors(50)), (cnn(5), images(41))] {
        let plan = plan(config, options(8), &data);
        let mut trainer = trainer(&plan);
        for block in 1..=5 {
            // The first step, a later one, the last and short one of an epoch, and one of another epoch.
            let last = plan.steps_per_epoch() - 1;
            for step in [0, 3, last, last + 2] {
                let state = initial_state(&plan, block);
                let (loss, _) = trainer.step(&plan, block, step, &state, &StopFlag::new()).unwrap();
                let expected = expected_loss(&plan, block, step);
                assert!((loss - expected).abs() < 1e-6, "block {block}, step {step}: {loss} is not {expected}");
            }
        }
    }
}

#[test]
fn noised_labels_have_the_mean_and_variance_of_their_block() {
    let (blocks, width, n) = (5, 3, 20_000);
    let schedule = ScheduleConfig::default().build(blocks).unwrap();
    let samples: Vec<u32> = (0..n).collect();
    let classes: Vec<u32> = samples.iter().map(|sample| sample % 3).collect();
    let all: Vec<usize> = (1..=blocks).collect();
    let alpha_bars: Vec<f64> = all.iter().map(|t| schedule.alpha_bar(t - 1)).collect();
    let z = Buffer::new(Tensor::zeros((blocks, width * n as usize), DType::F64, &Device::Cpu).unwrap()).unwrap();
    let draw = |z: &Buffer, blocks: &[usize], alpha_bars: &[f64]| {
        NoisedLabels { alpha_bars, blocks, seed: 7, epoch: 1, samples: &samples, classes: &classes, width }
            .fill(z)
            .unwrap();
    };
    draw(&z, &all, &alpha_bars);
    let drawn = values(&z);
    for (t, z) in all.iter().zip(drawn.chunks_exact(width * n as usize)) {
        let share = alpha_bar(t - 1, blocks);
        let moments = |of_class: bool| {
            let picked = z.iter().enumerate().filter(|(i, _)| (i % width == i / width % 3) == of_class);
            let picked: Vec<f64> = picked.map(|(_, z)| *z).collect();
            let mean = picked.iter().sum::<f64>() / picked.len() as f64;
            (mean, picked.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / picked.len() as f64)
        };
        for (of_class, expected) in [(true, share.sqrt()), (false, 0.0)] {
            let (mean, variance) = moments(of_class);
            // Five standard errors over 20,000 values.
            let deviation = (1.0 - share).sqrt();
            assert!(
                (mean - expected).abs() <= 5.0 * deviation / f64::from(n).sqrt(),
                "t {t}: mean {mean}, not {expected}"
            );
            let off = (variance - (1.0 - share)).abs();
            assert!(off <= 5.0 * (1.0 - share) * (2.0 / f64::from(n)).sqrt(), "t {t}: variance {variance}");
        }
    }
    // A block's noise does not depend on the blocks beside it, and no two blocks share theirs.
    let alone = Buffer::new(Tensor::zeros((1, width * n as usize), DType::F64, &Device::Cpu).unwrap()).unwrap();
    draw(&alone, &[4], &alpha_bars[3..4]);
    assert_eq!(values(&alone), drawn[3 * width * n as usize..4 * width * n as usize]);
    let noise = |t: usize| (drawn[(t - 1) * width * n as usize + 1]) / (1.0 - alpha_bar(t - 1, blocks)).sqrt();
    assert!((noise(1) - noise(2)).abs() > 1e-3);
}

/// Biases whose exact gradient is 0, because a batch norm takes them away.
const SHIFTS_BEFORE_NORM: [&str; 8] =
    ["image_fc", "image_bn", "label_fc1", "label_fc2", "label_fc3", "label_bn3", "fuse_fc1", "fuse_fc2"];

/// Public implementations have left the image encoder out of the optimiser, where it stays random without a word.
#[test]
fn one_step_changes_every_tensor_of_the_block() {
    for (config, data) in [(mlp(2), vectors(50)), (cnn(2), images(41))] {
        // Without weight decay, which would change a tensor that has no gradient.
        let plan = plan(config, FitOptions { weight_decay: 0.0, ..options(16) }, &data);
        let before = plan.model.layout.initial_weights(plan.model.config.seed, 2);
        let after = job(&plan, 2, 1).state().unwrap();
        for entry in plan.model.layout.entries() {
            if !SHIFTS_BEFORE_NORM.iter().any(|layer| entry.name == format!("params.{layer}.bias")) {
                assert_ne!(entry.slot.of(&before), entry.slot.of(&after), "{} has not changed", entry.name);
            }
        }
    }
}

/// In its first step Adam moves every parameter by the learning rate, against the sign of its gradient.
#[test]
fn the_first_step_is_as_long_as_the_schedule_says() {
    for schedule in [LearningRateSchedule::Constant, LearningRateSchedule::OneCycle] {
        let options = FitOptions { weight_decay: 0.0, learning_rate_schedule: schedule, ..options(16) };
        let plan = plan(mlp(2), options, &vectors(50));
        let before = plan.model.layout.initial_weights(7, 1);
        let state = job(&plan, 1, 1).state().unwrap();
        let parameters = plan.model.layout.parameters();
        let rate = schedule.rate(5e-3, 0, plan.steps());
        let mut compared = 0;
        for index in 0..parameters {
            let (moved, moment) = (f64::from(state[index] - before[index]), state[plan.model.layout.weights() + index]);
            if moment.abs() > 1e-5 {
                assert!(
                    (moved + rate * f64::from(moment.signum())).abs() < 0.02 * rate,
                    "{index}: {moved} at rate {rate}"
                );
                compared += 1;
            }
        }
        assert!(compared > parameters / 2);
    }
}

#[test]
fn the_snr_weighting_scales_the_gradients_and_not_the_reported_loss() {
    let data = vectors(50);
    let uniform = plan(mlp(4), options(16), &data);
    let snr = plan(mlp(4), FitOptions { weighting: Weighting::Snr, eta: 0.3, ..options(16) }, &data);
    let ratio = |t: usize| alpha_bar(t, 4) / (1.0 - alpha_bar(t, 4));
    let mut trainer = trainer(&uniform);
    for block in 1..=4 {
        // T/2 · η · (SNR(t) − SNR(t−1)).
        let weight = 2.0 * 0.3 * (ratio(block) - ratio(block - 1));
        assert!((uniform.weight(block) - 1.0).abs() < 1e-12 && (snr.weight(block) / weight - 1.0).abs() < 1e-9);
        let states = [initial_state(&uniform, block), initial_state(&snr, block)];
        let (loss, _) = trainer.step(&uniform, block, 0, &states[0], &StopFlag::new()).unwrap();
        let (weighted, _) = trainer.step(&snr, block, 0, &states[1], &StopFlag::new()).unwrap();
        assert_eq!(loss, weighted);
        // The first moments after one step are a tenth of the gradients.
        let first = uniform.model.layout.weights()..uniform.model.layout.weights() + uniform.model.layout.parameters();
        let [plain, scaled] = states.map(|state| values(&state)[first.clone()].to_vec());
        let greatest = plain.iter().fold(0.0, |most: f64, moment| most.max(moment.abs()));
        for (plain, scaled) in plain.iter().zip(&scaled) {
            assert!(
                (scaled / weight - plain).abs() <= 1e-5 * greatest,
                "block {block}: {scaled} is not {weight} · {plain}"
            );
        }
    }
}

#[test]
fn an_epochs_loss_is_the_mean_over_its_samples() {
    // Batches of 16, 16, 16 and 2 samples.
    let plan = plan(mlp(2), FitOptions { epochs: 1, ..options(16) }, &vectors(50));
    let (mut job, mut trainer) = (BlockJob::start(&plan, 1, &Device::Cpu).unwrap(), trainer(&plan));
    let losses: Vec<f64> = (0..4).map(|_| job.step(&plan, &mut trainer, &StopFlag::new()).unwrap()).collect();
    let expected = (16.0 * (losses[0] + losses[1] + losses[2]) + 2.0 * losses[3]) / 50.0;
    assert_eq!(job.progress.losses.len(), 1);
    assert!((job.progress.losses[0] - expected).abs() < 1e-12);
    assert!(job.is_finished(&plan));
}

#[test]
fn every_block_learns_under_either_weighting_and_in_every_precision() {
    let each = [Weighting::Uniform, Weighting::Snr].into_iter();
    for (weighting, precision) in each.flat_map(|weighting| precisions().map(move |precision| (weighting, precision))) {
        for (config, data) in [(mlp(3), vectors(150)), (cnn(3), images(150))] {
            let options = FitOptions { epochs: 12, weighting, precision, ..options(16) };
            let run = Run::start(plan(config, options, &data));
            for event in run.drive(&[1, 2, 3], 3, |_| false) {
                if let Event::Block { block, loss, losses, .. } = event {
                    assert_eq!(losses.last(), Some(&loss));
                    assert!(loss < 0.5 * losses[0], "block {block}, {weighting:?}, {precision:?}: {losses:?}");
                }
            }
        }
    }
}

/// What a run of two blocks on these values ends with.
fn failure(config: ModelConfig, value: f32) -> crate::Error {
    let samples = 24;
    let values = (0..samples * config.input.len()).map(|index| value * (1.0 + (index % 5) as f32));
    let labels = (0..samples).map(|sample| CLASSES[sample % 3]).collect();
    let data = Dataset::from_arrays(Pixels::F32(values.collect()), config.input, Some(labels)).unwrap();
    let options = FitOptions { learning_rate: 1e3, threads: Some(2), ..options(8) };
    let run = Run::start(plan(config, options, &Arc::new(data)));
    (1..=2).for_each(|block| run.training.start_block(block).unwrap());
    let error = loop {
        if let Event::Failed { error, .. } = run.next() {
            break error.0;
        }
    };
    assert_eq!(run.training.finish().err().expect("an error").code, Code::NotTrained);
    error
}

/// The squared error of the mlp overflows at once. In the cnn nothing does but the running variances: batch norm
/// divides by the infinite variance of the batch, and the loss stays finite, so the weights are looked at as well.
#[test]
fn numbers_beyond_all_bounds_fail_the_run() {
    for config in [mlp(2), cnn(2)] {
        let error = failure(config, 1e30);
        assert_eq!(error.code, Code::Diverged);
        assert!(error.what.contains("block") && error.hint.contains("learning rate"), "{error}");
    }
}
