//! Convolution.

use super::{Fit, Misfit, Signature, Spec, Tensor, check_width, one_image};
use crate::error::{Code, Error, Result};
use crate::net::graph::NodeId;
use crate::net::layout::Init;
use crate::net::program::{At, Lowering};
use crate::net::shape::Shape;
use serde::{Deserialize, Serialize};

/// See [`conv3x3`](crate::ops::conv3x3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// Channels of the output.
    pub channels: usize,
    /// Height and width of the window, 1 or 3. Default 3.
    #[serde(default = "three")]
    pub kernel: usize,
    /// Pixels from window to window, 1 or 2. Default 1.
    #[serde(default = "one")]
    pub stride: usize,
    /// Whether zeros stand around the image. Default valid.
    #[serde(default)]
    pub padding: Padding,
    /// Whether a bias is added. Default true.
    #[serde(default = "yes")]
    pub bias: bool,
}

/// What a window sees beyond the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Padding {
    /// Windows stay inside.
    #[default]
    Valid,
    /// Zeros; with a stride of 1 the output is as large as the input.
    Same,
}

fn three() -> usize {
    3
}
fn one() -> usize {
    1
}
fn yes() -> bool {
    true
}

impl Default for Conv {
    fn default() -> Self {
        Self { channels: 1, kernel: 3, stride: 1, padding: Padding::Valid, bias: true }
    }
}

impl Conv {
    /// Whether it is the paper's: 3 × 3, no padding, every pixel, with a bias.
    pub(crate) fn is_plain(&self) -> bool {
        let Self { kernel, stride, padding, bias, .. } = *self;
        (kernel, stride, padding, bias) == (3, 1, Padding::Valid, true)
    }
}

impl Spec for Conv {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        let [height, width, _] = one_image(inputs)?;
        check_width(self.channels, "channels")?;
        if ![1, 3].contains(&self.kernel) {
            return Err(Misfit::new("1 or 3", self.kernel.to_string()).field("kernel"));
        }
        if ![1, 2].contains(&self.stride) {
            return Err(Misfit::new("1 or 2", self.stride.to_string()).field("stride"));
        }
        let beyond = if self.padding == Padding::Same { self.kernel / 2 * 2 } else { 0 };
        if height.min(width) + beyond < self.kernel {
            let expected = format!("an image of at least {0} x {0} pixels", self.kernel);
            let misfit = Misfit::new(expected, inputs[0].to_string()).field("from");
            return Err(misfit.hint("use padding \"same\", or pool less before"));
        }
        let side = |side: usize| (side + beyond - self.kernel) / self.stride + 1;
        Ok(Shape::Image { height: side(height), width: side(width), channels: self.channels })
    }
    fn tensors(&self, s: &Signature) -> Vec<Tensor> {
        let (kernel, cin) = (self.kernel, s.inputs[0].width());
        let init = Init::FanIn(kernel * kernel * cin);
        let shape = vec![kernel, kernel, cin, self.channels];
        let mut tensors = vec![Tensor { name: "weight", trained: true, shape, init }];
        if self.bias {
            tensors.push(Tensor { name: "bias", trained: true, shape: vec![self.channels], init });
        }
        tensors
    }
    fn multiply_adds(&self, s: &Signature) -> Vec<usize> {
        vec![s.output.len() * self.kernel * self.kernel * s.inputs[0].width()]
    }
    fn lower(&self, _: &mut Lowering<'_>, _: NodeId) -> Result<()> {
        Err(Error::new(Code::Internal, "conv"))
    }
    fn differentiate(&self, _: &mut Lowering<'_>, _: NodeId, _: At) -> Result<()> {
        Err(Error::new(Code::Internal, "conv"))
    }
}
