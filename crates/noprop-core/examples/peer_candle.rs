//! What a user of candle would write instead: the paper's block on candle's own autograd, timed on the same work.
//!
//! Trains T blocks on random data, one after the other, and prints one JSON object with the median over the steps of
//! samples through all blocks per second:
//!
//! ```sh
//! cargo run --release -p noprop-core --example peer_candle -- mnist 128 10 3
//! ```
//!
//! The arguments are shape, batch, blocks and measured steps. candle takes its threads from `RAYON_NUM_THREADS`.

use candle_core::{D, DType, Device, Result, Tensor, Var};
use serde_json::json;
use std::process::ExitCode;
use std::time::Instant;

const CLASSES: usize = 10;
const HIDDEN: usize = 256;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let number = |index: usize| arguments.get(index).and_then(|text| text.parse().ok()).filter(|number| *number > 0);
    let (channels, side) = match arguments.first().map(String::as_str) {
        Some("mnist") => (1, 28),
        Some("cifar10") => (3, 32),
        _ => return usage(),
    };
    let (Some(batch), Some(blocks), Some(steps)) = (number(1), number(2), number(3)) else { return usage() };
    match measure(channels, side, batch, blocks, steps) {
        Ok(samples_per_second) => println!("{}", json!({ "samplesPerSecond": samples_per_second })),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: peer_candle mnist|cifar10 BATCH BLOCKS STEPS");
    ExitCode::from(2)
}

/// Samples through all blocks per second, the median over `steps` after one that warms up.
fn measure(channels: usize, side: usize, batch: usize, blocks: usize, steps: usize) -> Result<f64> {
    let x = Tensor::rand(0.0_f32, 1.0, (batch, channels, side, side), &Device::Cpu)?;
    let u: Vec<f32> =
        (0..batch * CLASSES).map(|index| f32::from(index / CLASSES % CLASSES == index % CLASSES)).collect();
    let u = Tensor::from_vec(u, (batch, CLASSES), &Device::Cpu)?;
    let mut blocks = (0..blocks).map(|_| Block::new(channels, side)).collect::<Result<Vec<_>>>()?;
    let mut times = Vec::new();
    for step in 0..=steps {
        let started = Instant::now();
        for block in &mut blocks {
            let z = ((&u * 0.7)? + (u.randn_like(0.0, 1.0)? * 0.7)?)?;
            let estimate = block.forward(&x, &z)?;
            assert_eq!(estimate.dims(), [batch, CLASSES]);
            block.learn(&(estimate - &u)?.sqr()?.sum(1)?.mean(0)?)?;
        }
        if step > 0 {
            times.push(started.elapsed().as_secs_f64());
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(batch as f64 / times[times.len() / 2])
}

/// The trained tensors of a block, with both moments of each.
#[derive(Default)]
struct Parameters {
    values: Vec<(Var, Tensor, Tensor)>,
    step: i32,
}

impl Parameters {
    fn add(&mut self, shape: &[usize], low: f64, high: f64) -> Result<Var> {
        let value = Var::rand(low as f32, high as f32, shape, &Device::Cpu)?;
        self.values.push((value.clone(), value.zeros_like()?, value.zeros_like()?));
        Ok(value)
    }

    /// Weight and bias, uniform in ±1 / √fan_in.
    fn layer(&mut self, weight: &[usize], outputs: usize, fan_in: usize) -> Result<(Var, Var)> {
        let bound = 1.0 / (fan_in as f64).sqrt();
        Ok((self.add(weight, -bound, bound)?, self.add(&[outputs], -bound, bound)?))
    }
}

/// The paper's Figure 6 (left), without the running statistics of the batch norms.
struct Block {
    parameters: Parameters,
    convolutions: Vec<(Var, Var)>,
    /// Fully connected layers, each but the last with a batch norm.
    layers: Vec<(Var, Var)>,
    norms: Vec<(Var, Var)>,
}

impl Block {
    fn new(channels: usize, side: usize) -> Result<Self> {
        let mut p = Parameters::default();
        let convolution = |(i, o): (usize, usize)| p.layer(&[o, i, 3, 3], o, 9 * i);
        let convolutions = [(channels, 32), (32, 64), (64, 128)].map(convolution).into_iter().collect::<Result<_>>()?;
        let features = 128 * ((((side - 2) / 2) - 4) / 2).pow(2);
        let widths = [(features, HIDDEN), (CLASSES, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, HIDDEN)];
        let widths = widths.into_iter().chain([(2 * HIDDEN, HIDDEN), (HIDDEN, HIDDEN / 2), (HIDDEN / 2, CLASSES)]);
        let layers = widths.map(|(i, o)| p.layer(&[i, o], o, i)).collect::<Result<_>>()?;
        let norm = |width: usize| Ok((p.add(&[width], 1.0, 1.0 + 1e-6)?, p.add(&[width], 0.0, 1e-6)?));
        let norms =
            [HIDDEN, HIDDEN, HIDDEN, HIDDEN, HIDDEN, HIDDEN / 2].map(norm).into_iter().collect::<Result<_>>()?;
        Ok(Self { parameters: p, convolutions, layers, norms })
    }

    fn convolution(&self, index: usize, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = &self.convolutions[index];
        x.conv2d(weight, 0, 1, 1, 1)?.broadcast_add(&bias.reshape((1, (), 1, 1))?)?.relu()
    }

    fn linear(&self, index: usize, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = &self.layers[index];
        x.matmul(weight)?.broadcast_add(bias)
    }

    /// A fully connected layer and its batch norm.
    fn normalised(&self, index: usize, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = &self.norms[index];
        let x = self.linear(index, x)?;
        let x = x.broadcast_sub(&x.mean_keepdim(0)?)?;
        let deviation = (x.sqr()?.mean_keepdim(0)? + 1e-5)?.sqrt()?;
        x.broadcast_div(&deviation)?.broadcast_mul(weight)?.broadcast_add(bias)
    }

    fn forward(&self, x: &Tensor, z: &Tensor) -> Result<Tensor> {
        let x = dropout(&self.convolution(0, x)?.max_pool2d(2)?)?;
        let x = dropout(&self.convolution(1, &x)?)?;
        let x = dropout(&self.convolution(2, &x)?.max_pool2d(2)?)?;
        let image = self.normalised(0, &x.flatten_from(1)?)?;
        let h = self.normalised(1, z)?.relu()?;
        let skip = self.normalised(3, &self.normalised(2, &h)?.relu()?)?;
        let fused = Tensor::cat(&[image, (h + skip)?], 1)?;
        let fused = self.normalised(5, &self.normalised(4, &fused)?.relu()?)?.relu()?;
        let logits = self.linear(6, &fused)?;
        let powers = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?.exp()?;
        powers.broadcast_div(&powers.sum_keepdim(D::Minus1)?)
    }

    /// One step of AdamW with learning rate and weight decay 1e-3.
    fn learn(&mut self, loss: &Tensor) -> Result<()> {
        let gradients = loss.backward()?;
        self.parameters.step += 1;
        let correction = |beta: f64| 1.0 - beta.powi(self.parameters.step);
        let (first_correction, second_correction) = (correction(0.9), correction(0.999));
        for (value, first, second) in &mut self.parameters.values {
            let gradient = gradients.get(value).expect("a gradient for each parameter");
            *first = ((&*first * 0.9)? + (gradient * 0.1)?)?;
            *second = ((&*second * 0.999)? + (gradient.sqr()? * 0.001)?)?;
            let root = ((&*second / second_correction)?.sqrt()? + 1e-8)?;
            let change = ((&*first * (1e-3 / first_correction))? / root)?;
            value.set(&((value.as_tensor() * (1.0 - 1e-6))? - change)?)?;
        }
        Ok(())
    }
}

/// Zeroes a fifth of the values.
fn dropout(x: &Tensor) -> Result<Tensor> {
    let kept = x.rand_like(0.0, 1.0)?.ge(0.2)?.to_dtype(DType::F32)?;
    (x * kept)? * 1.25
}
