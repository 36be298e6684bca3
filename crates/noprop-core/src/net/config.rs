//! Which net the blocks are, as users say it.

use super::activation::Activation;
use super::checks::{
    LEAST_SIDE, check_count, check_divisor, check_image, check_rate, check_size, check_whitening, check_widths,
};
use super::cnn::cnn;
use super::graph::{Form, Graph};
use super::json;
use super::layout::Layout;
use super::mlp::mlp;
use super::placement::Placement;
use super::program::{Program, Target};
use super::resnet::{self, resnet};
use super::shape::Shape;
use super::vit::{self, vit};
use crate::data::InputShape;
use crate::error::{Code, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which net the blocks are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
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
    /// A residual network with batch norm, pooled between its stages, for images.
    Resnet {
        /// Channels of the stages; each but the first begins with pooling.
        #[serde(default = "default_widths_of_stages")]
        widths: Vec<usize>,
        /// Residual blocks of two convolutions in each stage.
        #[serde(default = "one")]
        depth: usize,
        /// Width of the fully connected layers.
        #[serde(default = "default_hidden")]
        hidden: usize,
        /// What follows a norm.
        #[serde(default)]
        activation: Activation,
        /// Filters of a frozen first layer that whitens 3 × 3 patches of the training images; 0 for none.
        #[serde(default)]
        whitening: usize,
        /// Whether the first channels of every convolution begin as copies of its input's.
        #[serde(default)]
        identity: bool,
    },
    /// A Vision Transformer, for images; the noised label is a token.
    Vit {
        /// Height and width of a patch.
        #[serde(default = "four")]
        patch: usize,
        /// Values of a token.
        #[serde(default = "default_token")]
        width: usize,
        /// Layers of attention and of fully connected layers.
        #[serde(default = "four")]
        depth: usize,
        /// Heads of attention.
        #[serde(default = "four")]
        heads: usize,
        /// Width of the hidden fully connected layer, by that of a token.
        #[serde(default = "four")]
        mlp_ratio: usize,
        /// Probability of dropping a value after the positions and after each layer, in [0, 1).
        #[serde(default)]
        dropout: f64,
    },
    /// A net of the user's own; see `json.rs`.
    Graph {
        /// Its operations in the order of their computation. They are read when the shape of a sample is known.
        nodes: Vec<Value>,
    },
}

fn default_widths_of_stages() -> Vec<usize> {
    vec![32, 64, 128]
}
fn default_token() -> usize {
    128
}
fn one() -> usize {
    1
}
fn four() -> usize {
    4
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
            InputShape::Image { height, width, .. } if height.min(width) >= LEAST_SIDE => Self::default(),
            _ => Self::Mlp { hidden: default_mlp_hidden(), dropout: 0.0 },
        }
    }

    /// The net for samples of this shape.
    ///
    /// # Errors
    /// [`Code::Option`] for a width or rate out of range, [`Code::Shape`] for inputs that the net cannot take.
    pub fn graph(&self, input: InputShape, classes: usize) -> Result<Graph> {
        self.formed(input, classes, Form::default())
    }

    /// The same with what `form` asks for.
    ///
    /// # Errors
    /// As [`graph`](Self::graph).
    pub fn formed(&self, input: InputShape, classes: usize, form: Form) -> Result<Graph> {
        let start = Graph::of_form(input.into(), classes, form);
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
                check_size(input)?;
                cnn(start, *widths, *hidden, *dropout)?
            }
            Self::Mlp { hidden, dropout } => {
                check_rate(*dropout)?;
                check_widths("hidden", hidden)?;
                mlp(start, hidden, *dropout)?
            }
            Self::Resnet { widths, depth, hidden, activation, whitening, identity } => {
                check_widths("widths", widths)?;
                check_widths("hidden", &[*hidden])?;
                check_count("depth", *depth, 0)?;
                check_image("resnet", input)?;
                let (depth, hidden, activation) = (*depth, *hidden, *activation);
                let (whitening, identity) = (*whitening, *identity);
                check_whitening(whitening, input)?;
                let options = resnet::Options { widths, depth, hidden, activation, whitening, identity };
                resnet(start, &options)?
            }
            Self::Vit { patch, width, depth, heads, mlp_ratio, dropout } => {
                check_rate(*dropout)?;
                check_widths("width", &[*width])?;
                check_count("depth", *depth, 1)?;
                check_count("mlpRatio", *mlp_ratio, 1)?;
                check_image("vit", input)?;
                check_divisor("patch", *patch, &Shape::from(input).dims()[..2])?;
                check_divisor("heads", *heads, &[*width])?;
                let (patch, width, depth, heads) = (*patch, *width, *depth, *heads);
                let sizes = vit::Sizes { patch, width, depth, heads, mlp_ratio: *mlp_ratio, dropout: *dropout };
                vit(start, sizes)?
            }
            Self::Graph { nodes } => json::graph(nodes, start)?,
        };
        let graph = graph.shaped()?;
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
            InputShape::Image { .. } if self.graph(input, classes)?.convolves() => input.by_fours(),
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
        Ok(program.values(batch))
    }

    /// Floating-point operations of one sample through one block: `(forward, whole training step)`. Counted are the
    /// multiply-adds of convolutions and products, as 2 each; the gradient of the input is not counted where it is not needed.
    pub fn flops(&self, input: InputShape, classes: usize) -> Result<(usize, usize)> {
        Ok(self.graph(input, classes)?.flops())
    }
}
