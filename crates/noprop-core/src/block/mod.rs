//! Denoisers: û = block(z, x), one kind of net a file, composed from [`crate::nn`] with forward and backward stated.

mod buffers;
pub mod cnn;
pub mod mlp;
#[cfg(test)]
mod tests;

pub(crate) use buffers::made;

use crate::data::InputShape;
use crate::error::{Code, Error, Result};
use crate::nn::Placement;
use crate::nn::{Layout, Step};
use crate::tensor::Buffer;
use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

/// Which net the blocks are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum NetConfig {
    /// The paper's block (its Figure 6) with three unpadded 3×3 convolutions.
    Cnn {
        /// Channels of the three convolutions.
        #[serde(default = "default_widths")]
        widths: [usize; 3],
        /// Width of the fully connected layers; the last one has half of it.
        #[serde(default = "default_hidden")]
        hidden: usize,
        /// Probability of dropping a value after each convolution stage, in [0, 1).
        #[serde(default = "default_dropout")]
        dropout: f64,
    },
    /// The original sketch's block: image and noised label side by side, hidden layers with ReLU, the estimate without softmax.
    Mlp {
        /// Widths of the hidden layers.
        #[serde(default = "default_mlp_hidden")]
        hidden: Vec<usize>,
        /// Probability of dropping a value after each hidden layer, in [0, 1).
        #[serde(default)]
        dropout: f64,
    },
}

fn default_widths() -> [usize; 3] {
    [32, 64, 128]
}
fn default_hidden() -> usize {
    256
}
fn default_dropout() -> f64 {
    0.2
}
fn default_mlp_hidden() -> Vec<usize> {
    vec![512; 3]
}

impl Default for NetConfig {
    fn default() -> Self {
        Self::Cnn { widths: default_widths(), hidden: default_hidden(), dropout: default_dropout() }
    }
}

/// Widest layer that is accepted.
const MAX_WIDTH: usize = 1 << 16;
/// Most values that one block may consist of, so that sizes cannot overflow.
const MAX_WEIGHTS: usize = 1 << 30;

/// What one forward pass is for.
#[derive(Debug, Clone, Copy)]
pub enum Mode<'a> {
    /// Batch statistics and dropout.
    Training(Draw<'a>),
    /// Running statistics, no dropout.
    Evaluation,
}

/// Whose random numbers a training step draws.
#[derive(Debug, Clone, Copy)]
pub struct Draw<'a> {
    /// Seed of the model.
    pub seed: u64,
    /// The blocks that run together, from 1.
    pub blocks: &'a [usize],
    /// The epoch, from 0.
    pub epoch: usize,
    /// Each sample's index in the data set.
    pub samples: &'a [u32],
}

/// A denoiser with buffers for one batch.
pub trait Block: Send {
    /// û from x `[K, samples · input]` and z `[K, samples · classes]`, both by value of [`Step::samples`] samples.
    fn forward(&mut self, step: Step<'_>, mode: Mode<'_>, x: &Tensor, z: &Tensor) -> Result<()>;

    /// The estimate û of the last forward pass, `[K, capacity · classes]`.
    fn estimate(&self) -> &Tensor;

    /// Gradients of all parameters from the gradient of û, which is overwritten. Follows a training forward pass on the
    /// same x and z.
    fn backward(&mut self, step: Step<'_>, gradient: &Buffer, x: &Tensor, z: &Tensor) -> Result<()>;
}

/// How large a block's buffers are and of what type.
#[derive(Debug, Clone)]
pub struct Buffers {
    /// K, the blocks that run together.
    pub stacked: usize,
    /// Greatest batch.
    pub capacity: usize,
    /// `F32` for work, `F64` for checks.
    pub dtype: DType,
    /// Where they live.
    pub device: Device,
    /// Whether the backward pass will be used.
    pub training: bool,
    /// Whether operations are launched as kernels, on a device or on their emulation.
    pub launched: bool,
}

impl Buffers {
    /// The layout of a block with these buffers.
    fn place(&self, layout: Layout) -> Layout {
        if self.launched { layout.aligned() } else { layout }
    }
}

impl NetConfig {
    /// The net of blocks that nothing else is said of: the paper's for images that are large enough for it, else the mlp.
    pub fn for_input(input: InputShape) -> Self {
        match input {
            InputShape::Image { height, width, .. } if height.min(width) >= cnn::LEAST_SIDE => Self::default(),
            _ => Self::Mlp { hidden: default_mlp_hidden(), dropout: 0.0 },
        }
    }

    /// The tensors of one block.
    ///
    /// # Errors
    /// [`Code::Option`] for a width or rate out of range, [`Code::Shape`] for inputs that the net cannot take.
    pub fn layout(&self, input: InputShape, classes: usize) -> Result<Layout> {
        let layout = match self {
            Self::Cnn { widths, hidden, dropout } => {
                check_rate(*dropout)?;
                check_widths("widths", widths)?;
                check_widths("hidden", &[*hidden])?;
                if *hidden < 2 {
                    return Err(Error::new(Code::Option, "option net.hidden is out of range")
                        .expected("at least 2: the last layer has half of it")
                        .received(hidden.to_string()));
                }
                cnn::layout(&cnn::Sizes::new(input, classes, *widths, *hidden)?)
            }
            Self::Mlp { hidden, dropout } => {
                check_rate(*dropout)?;
                check_widths("hidden", hidden)?;
                mlp::layout(&mlp::Sizes::new(input, classes, hidden))
            }
        };
        if layout.weights() > MAX_WEIGHTS {
            return Err(Error::new(Code::Option, "the block is too large")
                .expected(format!("at most {MAX_WEIGHTS} values"))
                .received(layout.weights().to_string())
                .hint("use smaller widths, or smaller images"));
        }
        Ok(layout)
    }

    /// The shape of a sample as kernels see it. Convolutions have channels by fours, of which those that the images have not
    /// are 0, as are their weights.
    pub(crate) fn launched_input(&self, input: InputShape) -> InputShape {
        match (self, input) {
            (Self::Cnn { .. }, InputShape::Image { height, width, channels }) => {
                InputShape::Image { height, width, channels: channels.next_multiple_of(4) }
            }
            _ => input,
        }
    }

    /// Where the tensors of one block lie on a device.
    pub(crate) fn placement(&self, input: InputShape, classes: usize) -> Result<Placement> {
        let device = self.layout(self.launched_input(input), classes)?.aligned();
        Ok(Placement::new(&self.layout(input, classes)?, &device))
    }

    /// One denoiser with its buffers, for a configuration whose [`layout`](Self::layout) was accepted. One that is launched has
    /// its tensors where `placement` says.
    pub fn build(&self, input: InputShape, classes: usize, buffers: &Buffers) -> Result<Box<dyn Block>> {
        let input = if buffers.launched { self.launched_input(input) } else { input };
        Ok(match self {
            Self::Cnn { widths, hidden, dropout } => {
                Box::new(cnn::Cnn::new(cnn::Sizes::new(input, classes, *widths, *hidden)?, *dropout, buffers)?)
            }
            Self::Mlp { hidden, dropout } => {
                Box::new(mlp::Mlp::new(mlp::Sizes::new(input, classes, hidden), *dropout, buffers)?)
            }
        })
    }

    /// Values of the buffers that one block's training makes for batches of `batch` samples.
    pub(crate) fn activations(&self, input: InputShape, classes: usize, batch: usize) -> Result<usize> {
        match self {
            Self::Cnn { widths, hidden, .. } => {
                Ok(cnn::Sizes::new(input, classes, *widths, *hidden)?.activations(batch))
            }
            Self::Mlp { hidden, .. } => Ok(mlp::Sizes::new(input, classes, hidden).activations(batch)),
        }
    }

    /// Values of the buffers beside activations that one block's training on a device makes.
    pub(crate) fn workspace(&self, input: InputShape, classes: usize, batch: usize) -> Result<usize> {
        match self {
            Self::Cnn { widths, hidden, .. } => Ok(batch * cnn::Sizes::new(input, classes, *widths, *hidden)?.spread()),
            Self::Mlp { .. } => Ok(0),
        }
    }

    /// Floating-point operations of one sample through one block: `(forward, whole training step)`. Counted are the
    /// multiply-adds of convolutions and products, as 2 each; the gradient of the input is not counted where it is not needed.
    pub fn flops(&self, input: InputShape, classes: usize) -> Result<(usize, usize)> {
        match self {
            Self::Cnn { widths, hidden, .. } => Ok(cnn::Sizes::new(input, classes, *widths, *hidden)?.flops()),
            Self::Mlp { hidden, .. } => Ok(mlp::Sizes::new(input, classes, hidden).flops()),
        }
    }
}

fn check_rate(dropout: f64) -> Result<()> {
    if (0.0..1.0).contains(&dropout) {
        return Ok(());
    }
    Err(Error::new(Code::Option, "option net.dropout is out of range")
        .expected("a probability from 0 to below 1")
        .received(dropout.to_string()))
}

fn check_widths(name: &str, widths: &[usize]) -> Result<()> {
    if !widths.is_empty() && widths.len() <= 64 && widths.iter().all(|width| (1..=MAX_WIDTH).contains(width)) {
        return Ok(());
    }
    Err(Error::new(Code::Option, format!("option net.{name} is out of range"))
        .expected(format!("1 to 64 widths of 1 to {MAX_WIDTH}"))
        .received(format!("{widths:?}")))
}
