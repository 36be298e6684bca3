//! Does one kernel's work a given number of times, for `npm run bench:instructions`, which counts its instructions:
//!
//! ```sh
//! cargo run --example instructions -- conv3x3-forward 3
//! ```
//!
//! Without arguments it names the kernels. All values are computed, not drawn, so that every run does the same.

use candle_core::{Device, Tensor};
use noprop_core::config::from_json;
use noprop_core::data::{Dataset, InputShape, Pixels};
use noprop_core::ops::adamw::AdamW;
use noprop_core::ops::batch_norm::BatchNorm;
use noprop_core::ops::conv3x3::{Backward, Conv3x3, Dims};
use noprop_core::ops::dropout::Dropout;
use noprop_core::ops::linear::Linear;
use noprop_core::ops::multiply::Precision;
use noprop_core::tensor::{Buffer, Slot, StopFlag};
use noprop_core::train::{BlockJob, Plan, Trainer};
use noprop_core::{FitOptions, Model, Result};
use std::process::ExitCode;
use std::sync::Arc;

type Work = fn(usize) -> Result<()>;

const KERNELS: [(&str, Work); 15] = [
    ("direct-forward", |times| convolution(times, DIRECT, FORWARD)),
    ("direct-backward-data", |times| convolution(times, DIRECT, BACKWARD_DATA)),
    ("direct-backward-weights", |times| convolution(times, DIRECT, BACKWARD_WEIGHTS)),
    ("winograd-forward", |times| convolution(times, WINOGRAD, FORWARD)),
    ("winograd-backward-data", |times| convolution(times, WINOGRAD, BACKWARD_DATA)),
    ("winograd-backward-weights", |times| convolution(times, WINOGRAD, BACKWARD_WEIGHTS)),
    ("linear-forward", |times| linear(times, |op, [x, y, state, _]| op.forward(y, x, state))),
    ("linear-backward-data", |times| linear(times, |op, [x, y, state, _]| op.backward_data(x, y, state))),
    ("linear-backward-weights", |times| linear(times, |op, [x, y, _, grads]| op.backward_weights(grads, x, y))),
    ("linear-update", |times| {
        linear(times, |op, [x, y, state, _]| {
            op.update(&AdamW::new(1e-3, 1e-3, 1, op.outputs + op.weight.len, 0), state, x, y)
        })
    }),
    ("batch-norm-forward", |times| {
        batch_norm(times, |op, [x, y, _, _], [state, _, statistics]| {
            op.statistics(statistics, x)?;
            op.forward_training(y, x, statistics, state)
        })
    }),
    ("batch-norm-backward", |times| {
        batch_norm(times, |op, [x, y, dx, dy], [state, grads, statistics]| {
            op.backward_weights(grads, [dy, y, x, statistics])?;
            op.backward_data(dx, [dy, y, x, statistics, state, grads])
        })
    }),
    ("dropout-forward", dropout),
    ("adamw-step", adamw),
    ("training-step", step),
];

const SAMPLES: usize = 8;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if arguments.is_empty() {
        KERNELS.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    let work = KERNELS.iter().find(|(name, _)| *name == arguments[0]).map(|(_, work)| work);
    let times = arguments.get(1).and_then(|text| text.parse().ok());
    let (Some(work), Some(times)) = (work, times) else {
        eprintln!("usage: instructions [KERNEL TIMES]");
        return ExitCode::from(2);
    };
    match work(times) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", error.code.as_str());
            ExitCode::FAILURE
        }
    }
}

/// `[1, len]` of values from −1 to 1.
fn values(len: usize) -> Result<Buffer> {
    from(len, -1.0)
}

/// `[1, len]` of values from 0 to 2, for what is never negative. candle's own `abs` would count: it runs on many threads.
fn positive(len: usize) -> Result<Buffer> {
    from(len, 0.0)
}

fn from(len: usize, least: f32) -> Result<Buffer> {
    let values = (0..len).map(|index| (index * 7919 % 2003) as f32 / 1001.0 + least).collect::<Vec<_>>();
    Buffer::new(Tensor::from_vec(values, (1, len), &Device::Cpu)?)
}

/// A direction of a stage on x, y, dx, dy, state and gradients.
type Direction = fn(&Conv3x3<'_>, [&Buffer; 6]) -> Result<()>;

const FORWARD: Direction = |op, [x, y, _, _, state, _]| op.forward(y, x, state, None);
const BACKWARD_DATA: Direction =
    |op, [_, y, dx, dy, state, _]| op.backward_data(dx, Backward { dy, y, scale: 1.25 }, state);
const BACKWARD_WEIGHTS: Direction =
    |op, [x, y, _, dy, _, gradients]| op.backward_weights(gradients, x, Backward { dy, y, scale: 1.25 });

/// Channels that fill no panel of vectors, and channels that do.
const DIRECT: Dims = Dims { height: 13, width: 13, cin: 30, cout: 60, pool: true };
const WINOGRAD: Dims = Dims { height: 13, width: 13, cin: 32, cout: 64, pool: true };

fn convolution(times: usize, dims: Dims, run: Direction) -> Result<()> {
    let (stop, bias) = (StopFlag::new(), Slot { offset: 0, len: dims.cout });
    let weight = Slot { offset: dims.cout, len: dims.weights() };
    let precision = Precision::F32;
    let op = Conv3x3 { dims, samples: SAMPLES, weight, bias, precision, stop: &stop };
    let (x, y) = (values(SAMPLES * dims.input())?, values(SAMPLES * dims.stored())?);
    let (dx, dy) = (values(SAMPLES * dims.input())?, values(SAMPLES * dims.output())?);
    let (state, gradients) = (values(dims.cout + dims.weights())?, values(dims.cout + dims.weights())?);
    (0..times).try_for_each(|_| run(&op, [&x, &y, &dx, &dy, &state, &gradients]))
}

fn linear(times: usize, run: impl Fn(&Linear, [&Buffer; 4]) -> Result<()>) -> Result<()> {
    let (inputs, outputs) = (256, 256);
    let weight = Slot { offset: outputs, len: inputs * outputs };
    let (bias, precision) = (Some(Slot { offset: 0, len: outputs }), Precision::F32);
    let op = Linear { samples: SAMPLES, inputs, outputs, weight, bias, precision };
    let (x, y) = (values(SAMPLES * inputs)?, values(SAMPLES * outputs)?);
    // With moments, for the update alone.
    let state = positive(AdamW::state_len(outputs + weight.len, 0))?;
    let gradients = values(outputs + weight.len)?;
    (0..times).try_for_each(|_| run(&op, [&x, &y, &state, &gradients]))
}

fn batch_norm(times: usize, run: impl Fn(&BatchNorm, [&Buffer; 4], [&Buffer; 3]) -> Result<()>) -> Result<()> {
    let (samples, width) = (128, 256);
    let slot = |index: usize| Slot { offset: index * width, len: width };
    let (weight, bias, running_mean, running_variance) = (slot(1), slot(0), slot(2), slot(3));
    let op = BatchNorm { samples, width, weight, bias, running_mean, running_variance, relu: true };
    let len = samples * width;
    let (x, y, dx, dy) = (values(len)?, values(len)?, values(len)?, values(len)?);
    let (state, gradients, statistics) = (values(4 * width)?, values(2 * width)?, positive(2 * width)?);
    (0..times).try_for_each(|_| run(&op, [&x, &y, &dx, &dy], [&state, &gradients, &statistics]))
}

fn dropout(times: usize) -> Result<()> {
    let (samples, len) = ((0..SAMPLES as u32).collect::<Vec<_>>(), 11 * 11 * 64);
    let op = Dropout { rate: 0.2, seed: 0, stage: 1, blocks: &[1], epoch: 0, samples: &samples, len };
    let y = values(SAMPLES * len)?;
    (0..times).try_for_each(|_| op.forward(&y))
}

fn adamw(times: usize) -> Result<()> {
    let parameters = 100_000;
    let op = AdamW::new(1e-3, 1e-3, 1, parameters, 0);
    let (state, gradients) = (positive(AdamW::state_len(parameters, 0))?, values(parameters)?);
    (0..times).try_for_each(|_| op.step(&state, &gradients))
}

/// Whole steps of the paper's block on MNIST's shape.
fn step(times: usize) -> Result<()> {
    const SAMPLES: usize = 4;
    let input = InputShape::new(&[28, 28, 1])?;
    let pixels = (0..SAMPLES * input.len()).map(|index| (index * 7919 % 251) as u8).collect();
    let labels = (0..SAMPLES as i32).map(|sample| sample % 10).collect();
    let data = Dataset::from_arrays(Pixels::U8(pixels), input, Some(labels))?;
    let model = Model::new(from_json(r#"{"input":[28,28,1],"classes":[0,1,2,3,4,5,6,7,8,9]}"#)?)?;
    let options = FitOptions { epochs: 1_000_000, batch: Some(SAMPLES), threads: Some(1), ..FitOptions::default() };
    let plan = Plan::new(model.checked, options, Arc::new(data))?;
    let (mut trainer, mut job) = (Trainer::new(&plan, &Device::Cpu)?, BlockJob::start(&plan, 5, &Device::Cpu)?);
    (0..times).try_for_each(|_| job.step(&plan, &mut trainer, &StopFlag::new()).map(drop))
}
