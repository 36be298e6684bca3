//! Which net the blocks are, as users say it.

use super::cnn::{self, cnn};
use super::graph::{Graph, MAX_WIDTH};
use super::layout::Layout;
use super::mlp::mlp;
use super::placement::Placement;
use super::program::{Program, Target};
use crate::data::InputShape;
use crate::error::{Code, Error, Result};
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

/// Most values that one block may consist of, so that sizes cannot overflow.
const MAX_WEIGHTS: usize = 1 << 30;

impl NetConfig {
    /// The net of blocks that nothing else is said of: the paper's for images that are large enough for it, else the mlp.
    pub fn for_input(input: InputShape) -> Self {
        match input {
            InputShape::Image { height, width, .. } if height.min(width) >= cnn::LEAST_SIDE => Self::default(),
            _ => Self::Mlp { hidden: default_mlp_hidden(), dropout: 0.0 },
        }
    }

    /// The net for samples of this shape.
    ///
    /// # Errors
    /// [`Code::Option`] for a width or rate out of range, [`Code::Shape`] for inputs that the net cannot take.
    pub fn graph(&self, input: InputShape, classes: usize) -> Result<Graph> {
        let graph = match self {
            Self::Cnn { widths, hidden, dropout } => {
                check_rate(*dropout)?;
                check_widths("widths", widths)?;
                check_widths("hidden", &[*hidden])?;
                if *hidden < 2 {
                    return Err(Error::new(Code::Option, "option net.hidden is out of range")
                        .expected("at least 2: the last layer has half of it")
                        .received(hidden.to_string()));
                }
                cnn::check(input)?;
                cnn(input.into(), classes, *widths, *hidden, *dropout)?
            }
            Self::Mlp { hidden, dropout } => {
                check_rate(*dropout)?;
                check_widths("hidden", hidden)?;
                mlp(input.into(), classes, hidden, *dropout)?
            }
        };
        match graph.weights() {
            Some(..=MAX_WEIGHTS) => Ok(graph),
            weights => Err(Error::new(Code::Option, "the block is too large")
                .expected(format!("at most {MAX_WEIGHTS} values"))
                .received(weights.map_or_else(|| "more than can be counted".to_owned(), |weights| weights.to_string()))
                .hint("use smaller widths, or smaller images")),
        }
    }

    /// The tensors of one block.
    ///
    /// # Errors
    /// As [`graph`](Self::graph).
    pub fn layout(&self, input: InputShape, classes: usize) -> Result<Layout> {
        Ok(self.graph(input, classes)?.layout())
    }

    /// The shape of a sample as kernels see it. Convolutions have channels by fours, of which those that the images have not
    /// are 0, as are their weights.
    pub(crate) fn launched_input(&self, input: InputShape, classes: usize) -> Result<InputShape> {
        Ok(match input {
            InputShape::Image { height, width, channels } if self.graph(input, classes)?.convolves_x() => {
                InputShape::Image { height, width, channels: channels.next_multiple_of(4) }
            }
            _ => input,
        })
    }

    /// Where the tensors of one block lie on a device.
    pub(crate) fn placement(&self, input: InputShape, classes: usize) -> Result<Placement> {
        let device = self.layout(self.launched_input(input, classes)?, classes)?.aligned();
        Ok(Placement::new(&self.layout(input, classes)?, &device))
    }

    /// The program of one block. One that is launched has its tensors where [`placement`](Self::placement) says.
    pub(crate) fn program(&self, input: InputShape, classes: usize, target: Target) -> Result<Program> {
        let input = if target.launched { self.launched_input(input, classes)? } else { input };
        let graph = self.graph(input, classes)?;
        let layout = if target.launched { graph.layout().aligned() } else { graph.layout() };
        Program::new(&graph, &layout, target)
    }

    /// Values of the buffers that training one block in batches of `batch` samples makes.
    pub(crate) fn activations(&self, input: InputShape, classes: usize, batch: usize, launched: bool) -> Result<usize> {
        let program = self.program(input, classes, Target { training: true, launched, fused: true })?;
        Ok(program.buffers().iter().map(|size| size.of(batch)).sum())
    }

    /// Floating-point operations of one sample through one block: `(forward, whole training step)`. Counted are the
    /// multiply-adds of convolutions and products, as 2 each; the gradient of the input is not counted where it is not needed.
    pub fn flops(&self, input: InputShape, classes: usize) -> Result<(usize, usize)> {
        Ok(self.graph(input, classes)?.flops())
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
