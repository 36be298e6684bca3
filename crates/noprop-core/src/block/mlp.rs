//! The original sketch's block: û = MLP(concatenate(x, z)), hidden layers with ReLU, compared with the label by squared error.

use super::{Block, Buffers, Draw, Mode};
use crate::data::InputShape;
use crate::error::Result;
use crate::nn::{Layout, LayoutBuilder, Linear, Step, Towards};
use crate::ops::dropout::{self, Dropout};
use crate::tensor::Buffer;
use candle_core::Tensor;

/// All sizes of the block.
#[derive(Debug, Clone)]
pub struct Sizes {
    /// Values of x.
    input: usize,
    classes: usize,
    hidden: Vec<usize>,
}

impl Sizes {
    /// Any input is taken as a vector.
    pub fn new(input: InputShape, classes: usize, hidden: &[usize]) -> Self {
        Self { input: input.len(), classes, hidden: hidden.to_vec() }
    }

    /// Widths of the layers behind the first hidden one.
    fn outputs(&self) -> impl Iterator<Item = usize> + '_ {
        self.hidden[1..].iter().copied().chain([self.classes])
    }

    /// See [`super::NetConfig::activations`]: every hidden layer's output and its gradient, and the estimate.
    pub(super) fn activations(&self, batch: usize) -> usize {
        batch * (2 * self.hidden.iter().sum::<usize>() + self.classes)
    }

    /// See [`super::NetConfig::flops`].
    pub(super) fn flops(&self) -> (usize, usize) {
        let first = (self.input + self.classes) * self.hidden[0];
        let rest: usize = self.hidden.iter().zip(self.outputs()).map(|(inputs, outputs)| inputs * outputs).sum();
        (2 * (first + rest), 2 * (2 * first + 3 * rest))
    }
}

/// The name of layer `index`, of the same width for all so that names sort by index.
fn name(index: usize) -> String {
    format!("fc{:02}", index + 1)
}

/// The tensors of one block.
pub fn layout(s: &Sizes) -> Layout {
    let b = &mut LayoutBuilder::default();
    Linear::declare(b, &name(0), [s.input, s.classes], s.hidden[0]);
    for (index, (inputs, outputs)) in s.hidden.iter().zip(s.outputs()).enumerate() {
        Linear::declare(b, &name(index + 1), [*inputs], outputs);
    }
    std::mem::take(b).build()
}

/// The denoiser with its buffers.
pub struct Mlp {
    sizes: Sizes,
    dropout: f64,
    first: Linear<2>,
    rest: Vec<Linear>,
    /// Output of each hidden layer, and its gradient.
    hidden: Vec<(Buffer, Buffer)>,
    estimate: Buffer,
}

impl Mlp {
    /// A block of these sizes.
    pub fn new(s: Sizes, dropout: f64, buffers: &Buffers) -> Result<Self> {
        let l = buffers.place(layout(&s));
        let first = Linear::new(&l, &name(0), [s.input, s.classes], s.hidden[0]);
        let widths = s.hidden.iter().zip(s.outputs()).enumerate();
        let rest =
            widths.map(|(index, (inputs, outputs))| Linear::new(&l, &name(index + 1), [*inputs], outputs)).collect();
        let hidden = s
            .hidden
            .iter()
            .map(|width| Ok((buffers.samples(*width)?, buffers.gradient(*width)?)))
            .collect::<Result<_>>()?;
        let estimate = buffers.samples(s.classes)?;
        Ok(Self { sizes: s, dropout, first, rest, hidden, estimate })
    }

    /// Drops values of a hidden layer's output.
    fn drop(&self, mode: Mode<'_>, layer: usize) -> Result<()> {
        let Mode::Training(Draw { seed, blocks, epoch, samples }) = mode else { return Ok(()) };
        let len = self.sizes.hidden[layer];
        let dropout = Dropout { rate: self.dropout, seed, stage: layer as u16, blocks, epoch, samples, len };
        dropout.forward(&self.hidden[layer].0)
    }
}

impl Block for Mlp {
    fn forward(&mut self, step: Step<'_>, mode: Mode<'_>, x: &Tensor, z: &Tensor) -> Result<()> {
        self.first.forward_relu(step, &self.hidden[0].0, [x, z])?;
        self.drop(mode, 0)?;
        for (layer, linear) in self.rest.iter().enumerate() {
            let x: [&Tensor; 1] = [&self.hidden[layer].0];
            let Some((y, _)) = self.hidden.get(layer + 1) else { return linear.forward(step, &self.estimate, x) };
            linear.forward_relu(step, y, x)?;
            self.drop(mode, layer + 1)?;
        }
        Ok(())
    }

    fn estimate(&self) -> &Tensor {
        &self.estimate
    }

    fn backward(&mut self, step: Step<'_>, gradient: &Buffer, x: &Tensor, z: &Tensor) -> Result<()> {
        for (layer, linear) in self.rest.iter().enumerate().rev() {
            let dy = self.hidden.get(layer + 1).map_or(gradient, |(_, dy)| dy);
            let (y, dx) = &self.hidden[layer];
            linear.backward(step, [Towards::Relu(dx, dropout::scale(self.dropout))], dy, [y])?;
        }
        self.first.backward(step, [Towards::Nothing; 2], &self.hidden[0].1, [x, z])
    }
}
