//! Convolution.

use super::{Fit, Misfit, Signature, Spec, Tensor, check_width, one_image};
use crate::net::layout::Init;
use crate::net::shape::Shape;
use crate::onnx::{Attribute, Layer, Value};
use serde::{Deserialize, Serialize};

/// See [`conv`](crate::ops::conv), and [`conv3x3`](crate::ops::conv3x3) for one with a ReLU behind it.
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
    /// How the weights begin. Default at random.
    #[serde(default)]
    pub init: ConvInit,
}

/// How the weights of a convolution begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConvInit {
    /// Uniform in ±1 / √fan-in, as in PyTorch.
    #[default]
    Random,
    /// The first channels are copies of the input's, the others random.
    Identity,
    /// Filters that whiten the patches of the training images, which training leaves alone. For a 3 × 3 convolution of x.
    Whitening,
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
        Self { channels: 1, kernel: 3, stride: 1, padding: Padding::Valid, bias: true, init: ConvInit::Random }
    }
}

impl Conv {
    /// Whether it is the paper's: 3 × 3, no padding, every pixel, with a bias.
    pub(crate) fn is_plain(&self) -> bool {
        let Self { kernel, stride, padding, bias, .. } = *self;
        (kernel, stride, padding, bias) == (3, 1, Padding::Valid, true) && !self.is_frozen()
    }

    /// Whether training leaves the weights alone.
    pub(crate) fn is_frozen(&self) -> bool {
        self.init == ConvInit::Whitening
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
        let most = 18 * inputs[0].width();
        if self.is_frozen() && (self.kernel != 3 || self.bias || self.channels > most) {
            let expected = format!("kernel 3, bias false, and at most {most} channels, twice the values of a patch");
            return Err(Misfit::new(expected, "others").field("init"));
        }
        let side = |side: usize| (side + beyond - self.kernel) / self.stride + 1;
        Ok(Shape::Image { height: side(height), width: side(width), channels: self.channels })
    }
    fn onnx(&self, s: &Signature, layer: &mut Layer<'_>) -> Value {
        let (kernel, cin, cout) = (self.kernel, s.inputs[0].width(), self.channels);
        let (name, values) = (layer.tensors)("weight");
        let taps = kernel * kernel;
        // [tap, cin, cout] as [cout, cin, tap].
        let place = |at: usize| (at % taps * cin + at / taps % cin) * cout + at / taps / cin;
        let permuted = || (0..values.len()).map(|at| values[place(at)]).collect();
        let weight = layer.to.weight(&name, &[cout, cin, kernel, kernel], permuted);
        let bias = self.bias.then(|| layer.weight("bias", &[cout]));
        let x = layer.first(0);
        let inputs: Vec<_> = [&x, &weight].into_iter().chain(&bias).map(String::as_str).collect();
        let [side, step] = [kernel as i64, self.stride as i64];
        let pad = if self.padding == Padding::Same { side / 2 } else { 0 };
        let attributes = [
            ("kernel_shape", Attribute::Ints(&[side; 2])),
            ("pads", Attribute::Ints(&[pad; 4])),
            ("strides", Attribute::Ints(&[step; 2])),
        ];
        let y = layer.op("Conv", &inputs, &attributes);
        layer.value(y, true)
    }
    fn tensors(&self, s: &Signature) -> Vec<Tensor> {
        let (kernel, cin) = (self.kernel, s.inputs[0].width());
        let fan_in = kernel * kernel * cin;
        let init = match self.init {
            ConvInit::Random => Init::FanIn(fan_in),
            ConvInit::Identity => Init::Identity(fan_in),
            ConvInit::Whitening => Init::Whitening,
        };
        let shape = vec![kernel, kernel, cin, self.channels];
        let mut tensors = vec![Tensor { name: "weight", trained: !self.is_frozen(), shape, init }];
        if self.bias {
            let init = Init::FanIn(fan_in);
            tensors.push(Tensor { name: "bias", trained: true, shape: vec![self.channels], init });
        }
        tensors
    }
    fn multiply_adds(&self, s: &Signature) -> Vec<usize> {
        vec![s.output.len() * self.kernel * self.kernel * s.inputs[0].width()]
    }
}
