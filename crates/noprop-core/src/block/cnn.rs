//! The paper's block (its Figure 6) for discrete time.
//!
//! ```text
//! image: conv 3×3 – ReLU – pool 2 – dropout – conv 3×3 – ReLU – dropout – conv 3×3 – ReLU – pool 2 – dropout – FC – BN ─┐
//! label: FC – BN – ReLU ─┬─────────────────────────────┐                                                                 │
//!                        └─ FC – BN – ReLU – FC – BN ──(+)─────────────────────────────────────────────────────────────┤
//! fuse:  concatenate – FC – BN – ReLU – FC – BN – ReLU – FC – softmax = û                       ◄────────────────────────┘
//! ```

use super::{Block, Buffers, Draw, Mode};
use crate::data::InputShape;
use crate::error::{Code, Error, Result};
use crate::nn::{Conv3x3, Layout, LayoutBuilder, Linear, Normalised, Step, Towards};
use crate::ops::add::Add;
use crate::ops::conv3x3::{Backward, Dims};
use crate::ops::dense::Written;
use crate::ops::dropout::{self, Dropout};
use crate::ops::softmax::Softmax;
use crate::tensor::Buffer;
use candle_core::Tensor;

/// Least height and width of an image: what three unpadded 3×3 convolutions and two poolings leave a value of.
pub(super) const LEAST_SIDE: usize = 14;

/// All sizes of the block.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    conv1: Dims,
    conv2: Dims,
    conv3: Dims,
    /// Values of the pooled third convolution.
    features: usize,
    hidden: usize,
    classes: usize,
}

impl Sizes {
    /// # Errors
    /// [`Code::Shape`] for inputs that are no images or too small for three unpadded convolutions and two poolings.
    pub fn new(input: InputShape, classes: usize, widths: [usize; 3], hidden: usize) -> Result<Self> {
        let InputShape::Image { height, width, channels } = input else {
            return Err(Error::new(Code::Shape, "net cnn cannot take feature vectors")
                .expected("images [height, width, channels]")
                .received(input.to_string())
                .hint("use net mlp"));
        };
        if height.min(width) < LEAST_SIDE {
            return Err(Error::new(Code::Shape, "the images are too small for net cnn")
                .expected(format!(
                    "at least {LEAST_SIDE}x{LEAST_SIDE}: three unpadded 3x3 convolutions and two poolings"
                ))
                .received(input.to_string())
                .hint("use net mlp, or enlarge the images"));
        }
        let conv1 = Dims { height, width, cin: channels, cout: widths[0], pool: true };
        let behind = |d: Dims, cout: usize, pool: bool| Dims {
            height: d.out_height(),
            width: d.out_width(),
            cin: d.cout,
            cout,
            pool,
        };
        let conv2 = behind(conv1, widths[1], false);
        let conv3 = behind(conv2, widths[2], true);
        Ok(Self { conv1, conv2, conv3, features: conv3.output(), hidden, classes })
    }

    fn linear_multiply_adds(&self) -> usize {
        let (h, k) = (self.hidden, self.classes);
        (self.features + k + 2 * h) * h + 2 * h * h + h * (h / 2) + h / 2 * k
    }

    /// See [`super::NetConfig::activations`].
    pub(super) fn activations(&self, batch: usize) -> usize {
        let convolutions: usize = [self.conv1, self.conv2, self.conv3].map(|d| d.stored() + d.output()).iter().sum();
        // Of the batch-norm layers: input, output and the input's gradient, and two statistics a unit.
        let normalised = 5 * self.hidden + self.hidden / 2;
        let gradients = 4 * self.hidden + self.hidden / 2;
        batch * (convolutions + 3 * normalised + gradients + self.classes) + 2 * normalised
    }

    /// Values of one sample's gradient of the largest convolution, spread out.
    pub(super) fn spread(&self) -> usize {
        [self.conv1, self.conv2, self.conv3].map(|dims| dims.spread()).into_iter().max().unwrap_or_default()
    }

    /// See [`super::NetConfig::flops`]: backward costs twice forward, less the gradients of image and label.
    pub(super) fn flops(&self) -> (usize, usize) {
        let first = self.conv1.multiply_adds() + self.classes * self.hidden;
        let forward = [self.conv1, self.conv2, self.conv3].map(|d| d.multiply_adds()).iter().sum::<usize>()
            + self.linear_multiply_adds();
        (2 * forward, 2 * (3 * forward - first))
    }
}

/// The tensors of one block.
pub fn layout(s: &Sizes) -> Layout {
    let b = &mut LayoutBuilder::default();
    for (name, dims) in [("conv1", s.conv1), ("conv2", s.conv2), ("conv3", s.conv3)] {
        Conv3x3::declare(b, name, dims);
    }
    let h = s.hidden;
    Normalised::declare(b, IMAGE, [s.features], h);
    Normalised::declare(b, LABEL1, [s.classes], h);
    Normalised::declare(b, LABEL2, [h], h);
    Normalised::declare(b, LABEL3, [h], h);
    Normalised::declare(b, FUSE1, [h, h], h);
    Normalised::declare(b, FUSE2, [h], h / 2);
    Linear::declare(b, FUSE3, [h / 2], s.classes);
    std::mem::take(b).build()
}

/// Names of the fully connected layers, and of the batch norms behind them.
const IMAGE: [&str; 2] = ["image_fc", "image_bn"];
const LABEL1: [&str; 2] = ["label_fc1", "label_bn1"];
const LABEL2: [&str; 2] = ["label_fc2", "label_bn2"];
const LABEL3: [&str; 2] = ["label_fc3", "label_bn3"];
const FUSE1: [&str; 2] = ["fuse_fc1", "fuse_bn1"];
const FUSE2: [&str; 2] = ["fuse_fc2", "fuse_bn2"];
const FUSE3: &str = "fuse_fc3";

/// A hidden layer with what its forward pass writes, and the gradient of its product.
struct Hidden<const N: usize = 1> {
    layer: Normalised<N>,
    product: Buffer,
    y: Buffer,
    statistics: Buffer,
    d_product: Buffer,
}

impl<const N: usize> Hidden<N> {
    fn new(layer: Normalised<N>, width: usize, buffers: &Buffers) -> Result<Self> {
        Ok(Self {
            layer,
            product: buffers.product(width)?,
            y: buffers.samples(width)?,
            statistics: buffers.rows(2 * width)?,
            d_product: buffers.gradient(width)?,
        })
    }

    fn written(&self) -> Written<'_> {
        Written { product: &self.product, y: &self.y, statistics: &self.statistics }
    }

    /// y of the inputs x.
    fn forward(&self, step: Step<'_>, mode: Mode<'_>, x: [&Tensor; N]) -> Result<()> {
        match mode {
            Mode::Training(_) => self.layer.forward_training(step, self.written(), x),
            Mode::Evaluation => self.layer.forward_evaluation(step, [&self.product, &self.y], x),
        }
    }

    /// Where the gradient of y leads: to that of the product. dx is the gradient of y, to which `skip` is added.
    fn towards<'a>(&'a self, dx: &'a Buffer, skip: Option<&'a Tensor>) -> Towards<'a> {
        let norm = self.layer.norm();
        Towards::Norm { norm, written: self.written(), dx, skip, d_product: &self.d_product }
    }

    /// On from the gradient of the product, to which the layer behind has led.
    fn backward(&self, step: Step<'_>, towards: [Towards<'_>; N], x: [&Tensor; N]) -> Result<()> {
        self.layer.backward(step, towards, &self.d_product, x)
    }
}

/// The denoiser with its buffers.
pub struct Cnn {
    sizes: Sizes,
    dropout: f64,
    conv1: Conv3x3,
    conv2: Conv3x3,
    conv3: Conv3x3,
    image: Hidden,
    label1: Hidden,
    label2: Hidden,
    label3: Hidden,
    fuse1: Hidden<2>,
    fuse2: Hidden,
    fuse3: Linear,
    /// Outputs of the image pathway's stages, and their gradients.
    y1: Buffer,
    y2: Buffer,
    y3: Buffer,
    dy1: Buffer,
    dy2: Buffer,
    dy3: Buffer,
    /// Where kernels spread out a stage's gradient; none on the processor.
    spread: Option<Buffer>,
    estimate: Buffer,
    /// Gradients of the fused vectors `[hidden]`, of the fuse path's two hidden outputs, and of the skip path.
    d_image: Buffer,
    d_label: Buffer,
    d_fuse1: Buffer,
    d_fuse2: Buffer,
    d_skip: Buffer,
}

impl Cnn {
    /// A block of these sizes.
    pub fn new(s: Sizes, dropout: f64, buffers: &Buffers) -> Result<Self> {
        let l = &buffers.place(layout(&s));
        let h = s.hidden;
        let hidden = |names, inputs: usize, width: usize, relu: bool| {
            Hidden::new(Normalised::new(l, names, [inputs], width, relu), width, buffers)
        };
        Ok(Self {
            sizes: s,
            dropout,
            conv1: Conv3x3::new(l, "conv1", s.conv1),
            conv2: Conv3x3::new(l, "conv2", s.conv2),
            conv3: Conv3x3::new(l, "conv3", s.conv3),
            image: hidden(IMAGE, s.features, h, false)?,
            label1: hidden(LABEL1, s.classes, h, true)?,
            label2: hidden(LABEL2, h, h, true)?,
            label3: hidden(LABEL3, h, h, false)?,
            fuse1: Hidden::new(Normalised::new(l, FUSE1, [h, h], h, true), h, buffers)?,
            fuse2: hidden(FUSE2, h, h / 2, true)?,
            fuse3: Linear::new(l, FUSE3, [h / 2], s.classes),
            y1: buffers.samples(s.conv1.stored())?,
            y2: buffers.samples(s.conv2.stored())?,
            y3: buffers.samples(s.conv3.stored())?,
            dy1: buffers.gradient(s.conv1.output())?,
            dy2: buffers.gradient(s.conv2.output())?,
            dy3: buffers.gradient(s.conv3.output())?,
            spread: (buffers.training && buffers.launched).then(|| buffers.gradient(s.spread())).transpose()?,
            estimate: buffers.samples(s.classes)?,
            d_image: buffers.gradient(h)?,
            d_label: buffers.gradient(h)?,
            d_fuse1: buffers.gradient(h)?,
            d_fuse2: buffers.gradient(h / 2)?,
            d_skip: buffers.gradient(h)?,
        })
    }

    fn softmax(&self, samples: usize) -> Softmax {
        Softmax { samples, classes: self.sizes.classes }
    }

    fn dropout<'a>(&self, mode: Mode<'a>, stage: u16, conv: &Conv3x3) -> Option<Dropout<'a>> {
        let Mode::Training(Draw { seed, blocks, epoch, samples }) = mode else { return None };
        Some(Dropout { rate: self.dropout, seed, stage, blocks, epoch, samples, len: conv.dims.output() })
    }

    fn forward_image(&self, step: Step<'_>, mode: Mode<'_>, x: &Tensor) -> Result<()> {
        let (conv1, conv2, conv3) = (&self.conv1, &self.conv2, &self.conv3);
        conv1.forward(step, &self.y1, x, self.dropout(mode, 0, conv1))?;
        conv2.forward(step, &self.y2, &self.y1, self.dropout(mode, 1, conv2))?;
        conv3.forward(step, &self.y3, &self.y2, self.dropout(mode, 2, conv3))?;
        self.image.forward(step, mode, [&self.y3])
    }

    fn forward_label(&self, step: Step<'_>, mode: Mode<'_>, z: &Tensor) -> Result<()> {
        self.label1.forward(step, mode, [z])?;
        self.label2.forward(step, mode, [&self.label1.y])?;
        self.label3.forward(step, mode, [&self.label2.y])?;
        // The third layer has no ReLU, so its backward pass does not read the output that the skip is added to.
        Add { len: step.samples * self.sizes.hidden }.forward(&self.label3.y, &self.label1.y)
    }

    fn forward_fuse(&self, step: Step<'_>, mode: Mode<'_>) -> Result<()> {
        self.fuse1.forward(step, mode, [&self.image.y, &self.label3.y])?;
        self.fuse2.forward(step, mode, [&self.fuse1.y])?;
        self.fuse3.forward(step, &self.estimate, [&self.fuse2.y])
    }

    fn backward_fuse(&self, step: Step<'_>, d_logits: &Tensor) -> Result<()> {
        let (fuse1, fuse2, image, label) = (&self.fuse1, &self.fuse2, &self.image, &self.label3);
        self.fuse3.backward(step, [fuse2.towards(&self.d_fuse2, None)], d_logits, [&fuse2.y])?;
        fuse2.backward(step, [fuse1.towards(&self.d_fuse1, None)], [&fuse1.y])?;
        let towards = [image.towards(&self.d_image, None), label.towards(&self.d_label, None)];
        fuse1.backward(step, towards, [&image.y, &label.y])
    }

    fn backward_label(&self, step: Step<'_>, z: &Tensor) -> Result<()> {
        let (label1, label2, label3) = (&self.label1, &self.label2, &self.label3);
        label3.backward(step, [label2.towards(&self.d_skip, None)], [&label2.y])?;
        // What the skip was added to has the same gradient.
        label2.backward(step, [label1.towards(&self.d_skip, Some(&self.d_label))], [&label1.y])?;
        label1.backward(step, [Towards::Nothing], [z])
    }

    fn backward_image(&self, step: Step<'_>, x: &Tensor) -> Result<()> {
        let scale = dropout::scale(self.dropout);
        self.image.backward(step, [Towards::Input(&self.dy3)], [&self.y3])?;
        let stage = |conv: &Conv3x3, dx: Option<&Buffer>, [dy, y]: [&Buffer; 2], x: &Tensor| {
            self.backward_stage(step, conv, dx, Backward { dy, y, scale }, x)
        };
        stage(&self.conv3, Some(&self.dy2), [&self.dy3, &self.y3], &self.y2)?;
        stage(&self.conv2, Some(&self.dy1), [&self.dy2, &self.y2], &self.y1)?;
        stage(&self.conv1, None, [&self.dy1, &self.y1], x)
    }

    /// Kernels go by way of the gradient that is spread out.
    fn backward_stage(
        &self,
        step: Step<'_>,
        conv: &Conv3x3,
        dx: Option<&Buffer>,
        backward: Backward<'_>,
        x: &Tensor,
    ) -> Result<()> {
        if let Some(da) = &self.spread {
            return conv.spread_backward(step, dx, backward, x, da);
        }
        conv.backward(step, dx, backward, x)
    }
}

impl Block for Cnn {
    fn forward(&mut self, step: Step<'_>, mode: Mode<'_>, x: &Tensor, z: &Tensor) -> Result<()> {
        self.forward_image(step, mode, x)?;
        self.forward_label(step, mode, z)?;
        self.forward_fuse(step, mode)?;
        self.softmax(step.samples).forward(&self.estimate)
    }

    fn estimate(&self) -> &Tensor {
        &self.estimate
    }

    fn backward(&mut self, step: Step<'_>, gradient: &Buffer, x: &Tensor, z: &Tensor) -> Result<()> {
        self.softmax(step.samples).backward(gradient, &self.estimate)?;
        self.backward_fuse(step, gradient)?;
        self.backward_label(step, z)?;
        self.backward_image(step, x)
    }
}
