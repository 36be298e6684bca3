//! How much faster sampling by NoProp-CT is where what depends on the image alone is computed once, as it is, than where every step
//! computes the whole net: `cargo run --release --example sampling [SAMPLES [STEPS]]`.

use candle_core::{DType, Device, Tensor};
use noprop_core::config::from_json;
use noprop_core::net::{Block, Buffers, Mode, Step};
use noprop_core::ops::apply;
use noprop_core::ops::multiply::Precision;
use noprop_core::tensor::{Buffer, Real, StopFlag};
use noprop_core::{ModelConfig, Result};
use std::time::Instant;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse().expect("a number"));
    let (samples, steps) = (arguments.next().unwrap_or(128), arguments.next().unwrap_or(1000));
    for (name, input) in [("MNIST", "[28,28,1]"), ("CIFAR-10", "[32,32,3]")] {
        let json =
            format!(r#"{{"method":"ct","input":{input},"classes":[0,1,2,3,4,5,6,7,8,9],"net":{{"type":"cnn"}}}}"#);
        let checked = from_json::<ModelConfig>(&json)?.check()?;
        let buffers = Buffers {
            stacked: 1,
            capacity: samples,
            dtype: DType::F32,
            device: Device::Cpu,
            training: false,
            launched: false,
        };
        let mut block = Block::of_graph(&checked.method.graph(false)?, &checked.layout, &buffers)?;
        let weights = checked.layout.initial_weights(1, 1);
        let len = weights.len();
        let state = Buffer::new(Tensor::from_vec(weights, (1, len), &Device::Cpu)?)?;
        let (x, z, gradients) = (buffers.samples(checked.config.input.len())?, buffers.samples(10)?, buffers.rows(1)?);
        let (stop, precision) = (StopFlag::new(), Precision::F32);
        let (state, gradients, stop) = (&state, &gradients, &stop);
        let pass = Step { state, gradients, optimiser: None, stop, samples, precision };
        let mut chain = |again: bool, steps: usize| -> Result<f64> {
            let started = Instant::now();
            for step in 0..steps {
                let time = block.time().expect("a net with a time");
                apply(&All(step as f32 / steps as f32), time, [])?;
                if again && step > 0 {
                    block.forward_again(pass, Mode::Evaluation, &x, &z)?;
                } else {
                    block.forward(pass, Mode::Evaluation, &x, &z)?;
                }
            }
            Ok(started.elapsed().as_secs_f64() / steps as f64)
        };
        // The first is for the caches.
        let few = steps.min(20);
        chain(false, 2)?;
        let (whole, kept) = (chain(false, few)?, chain(true, steps)?);
        println!(
            "{name}, {samples} samples, {steps} steps: {:.3} ms a step with features once, {:.3} ms with all anew: {:.1} times",
            1e3 * kept,
            1e3 * whole,
            whole / kept
        );
    }
    Ok(())
}

/// Writes one value everywhere.
struct All(f32);

impl noprop_core::ops::BlockOp<0> for All {
    const NAME: &'static str = "all";
    fn block<T: Real>(&self, _: usize, to: &mut [T], []: [&[T]; 0]) -> Result<()> {
        to.fill(T::of(f64::from(self.0)));
        Ok(())
    }
}
