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
use crate::nn::batch_norm::Saved;
use crate::nn::{BatchNorm, Conv3x3, Layout, LayoutBuilder, Linear, Step};
use crate::ops::Buffer;
use crate::ops::add::Add;
use crate::ops::conv3x3::{Backward, Dims};
use crate::ops::dropout::{self, Dropout};
use crate::ops::softmax::Softmax;
use candle_core::Tensor;

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
        if height < 14 || width < 14 {
            return Err(Error::new(Code::Shape, "the images are too small for net cnn")
                .expected("at least 14x14: three unpadded 3x3 convolutions and two poolings")
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
    #[cfg(device)]
    pub(super) fn activations(&self, batch: usize) -> usize {
        let convolutions: usize = [self.conv1, self.conv2, self.conv3].map(|d| d.stored() + d.output()).iter().sum();
        // Of the batch-norm layers: input, output and the input's gradient, and two statistics a unit.
        let normalised = 5 * self.hidden + self.hidden / 2;
        let gradients = 4 * self.hidden + self.hidden / 2;
        batch * (convolutions + 3 * normalised + gradients + self.classes) + 2 * normalised
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
    Linear::declare(b, "image_fc", [s.features], h);
    Linear::declare(b, "label_fc1", [s.classes], h);
    Linear::declare(b, "label_fc2", [h], h);
    Linear::declare(b, "label_fc3", [h], h);
    Linear::declare(b, "fuse_fc1", [h, h], h);
    Linear::declare(b, "fuse_fc2", [h], h / 2);
    Linear::declare(b, "fuse_fc3", [h / 2], s.classes);
    for name in ["image_bn", "label_bn1", "label_bn2", "label_bn3", "fuse_bn1"] {
        BatchNorm::declare(b, name, h);
    }
    BatchNorm::declare(b, "fuse_bn2", h / 2);
    std::mem::take(b).build()
}

/// A batch-norm layer with its input and output, the batch's statistics, and the gradient of its input.
struct Normalised {
    layer: BatchNorm,
    x: Buffer,
    y: Buffer,
    statistics: Buffer,
    dx: Buffer,
}

impl Normalised {
    fn new(layout: &Layout, name: &str, width: usize, relu: bool, buffers: &Buffers) -> Result<Self> {
        Ok(Self {
            layer: BatchNorm::new(layout, name, width, relu),
            x: buffers.samples(width)?,
            y: buffers.samples(width)?,
            statistics: buffers.rows(2 * width)?,
            dx: buffers.gradient(width)?,
        })
    }

    fn saved(&self) -> Saved<'_> {
        Saved { x: &self.x, y: &self.y, statistics: &self.statistics }
    }

    fn forward(&self, step: Step<'_>, mode: Mode<'_>) -> Result<()> {
        step.stop.check()?;
        match mode {
            Mode::Training(_) => self.layer.forward_training(step, self.saved()),
            Mode::Evaluation => self.layer.forward_evaluation(step, &self.y, &self.x),
        }
    }

    /// dx from dy.
    fn backward(&self, step: Step<'_>, dy: &Tensor) -> Result<()> {
        self.layer.backward(step, &self.dx, dy, self.saved())
    }
}

/// The denoiser with its buffers.
pub struct Cnn {
    sizes: Sizes,
    dropout: f64,
    conv1: Conv3x3,
    conv2: Conv3x3,
    conv3: Conv3x3,
    image_fc: Linear,
    label_fc1: Linear,
    label_fc2: Linear,
    label_fc3: Linear,
    fuse_fc1: Linear<2>,
    fuse_fc2: Linear,
    fuse_fc3: Linear,
    image_bn: Normalised,
    label_bn1: Normalised,
    label_bn2: Normalised,
    label_bn3: Normalised,
    fuse_bn1: Normalised,
    fuse_bn2: Normalised,
    /// Outputs of the image pathway's stages, and their gradients.
    y1: Buffer,
    y2: Buffer,
    y3: Buffer,
    dy1: Buffer,
    dy2: Buffer,
    dy3: Buffer,
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
        let l = &layout(&s);
        let h = s.hidden;
        let bn = |name: &str, width: usize, relu: bool| Normalised::new(l, name, width, relu, buffers);
        Ok(Self {
            sizes: s,
            dropout,
            conv1: Conv3x3::new(l, "conv1", s.conv1),
            conv2: Conv3x3::new(l, "conv2", s.conv2),
            conv3: Conv3x3::new(l, "conv3", s.conv3),
            image_fc: Linear::new(l, "image_fc", [s.features], h),
            label_fc1: Linear::new(l, "label_fc1", [s.classes], h),
            label_fc2: Linear::new(l, "label_fc2", [h], h),
            label_fc3: Linear::new(l, "label_fc3", [h], h),
            fuse_fc1: Linear::new(l, "fuse_fc1", [h, h], h),
            fuse_fc2: Linear::new(l, "fuse_fc2", [h], h / 2),
            fuse_fc3: Linear::new(l, "fuse_fc3", [h / 2], s.classes),
            image_bn: bn("image_bn", h, false)?,
            label_bn1: bn("label_bn1", h, true)?,
            label_bn2: bn("label_bn2", h, true)?,
            label_bn3: bn("label_bn3", h, false)?,
            fuse_bn1: bn("fuse_bn1", h, true)?,
            fuse_bn2: bn("fuse_bn2", h / 2, true)?,
            y1: buffers.samples(s.conv1.stored())?,
            y2: buffers.samples(s.conv2.stored())?,
            y3: buffers.samples(s.conv3.stored())?,
            dy1: buffers.gradient(s.conv1.output())?,
            dy2: buffers.gradient(s.conv2.output())?,
            dy3: buffers.gradient(s.conv3.output())?,
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
        self.image_fc.forward(step, &self.image_bn.x, [&self.y3])?;
        self.image_bn.forward(step, mode)
    }

    fn forward_label(&self, step: Step<'_>, mode: Mode<'_>, z: &Tensor) -> Result<()> {
        self.label_fc1.forward(step, &self.label_bn1.x, [z])?;
        self.label_bn1.forward(step, mode)?;
        self.label_fc2.forward(step, &self.label_bn2.x, [&self.label_bn1.y])?;
        self.label_bn2.forward(step, mode)?;
        self.label_fc3.forward(step, &self.label_bn3.x, [&self.label_bn2.y])?;
        self.label_bn3.forward(step, mode)?;
        // label_bn3 has no ReLU, so its backward pass does not read the output that the skip is added to.
        Add { len: step.samples * self.sizes.hidden }.forward(&self.label_bn3.y, &self.label_bn1.y)
    }

    fn forward_fuse(&self, step: Step<'_>, mode: Mode<'_>) -> Result<()> {
        self.fuse_fc1.forward(step, &self.fuse_bn1.x, [&self.image_bn.y, &self.label_bn3.y])?;
        self.fuse_bn1.forward(step, mode)?;
        self.fuse_fc2.forward(step, &self.fuse_bn2.x, [&self.fuse_bn1.y])?;
        self.fuse_bn2.forward(step, mode)?;
        self.fuse_fc3.forward(step, &self.estimate, [&self.fuse_bn2.y])
    }

    fn backward_fuse(&self, step: Step<'_>, d_logits: &Tensor) -> Result<()> {
        let (bn1, bn2) = (&self.fuse_bn1, &self.fuse_bn2);
        self.fuse_fc3.backward(step, [Some(&self.d_fuse2)], d_logits, [&bn2.y])?;
        bn2.backward(step, &self.d_fuse2)?;
        self.fuse_fc2.backward(step, [Some(&self.d_fuse1)], &bn2.dx, [&bn1.y])?;
        bn1.backward(step, &self.d_fuse1)?;
        let fused: [&Tensor; 2] = [&self.image_bn.y, &self.label_bn3.y];
        self.fuse_fc1.backward(step, [Some(&self.d_image), Some(&self.d_label)], &bn1.dx, fused)
    }

    fn backward_label(&self, step: Step<'_>, z: &Tensor) -> Result<()> {
        let (bn1, bn2, bn3) = (&self.label_bn1, &self.label_bn2, &self.label_bn3);
        bn3.backward(step, &self.d_label)?;
        self.label_fc3.backward(step, [Some(&self.d_skip)], &bn3.dx, [&bn2.y])?;
        bn2.backward(step, &self.d_skip)?;
        self.label_fc2.backward(step, [Some(&self.d_skip)], &bn2.dx, [&bn1.y])?;
        Add { len: step.samples * self.sizes.hidden }.forward(&self.d_skip, &self.d_label)?;
        bn1.backward(step, &self.d_skip)?;
        self.label_fc1.backward(step, [None], &bn1.dx, [z])
    }

    fn backward_image(&self, step: Step<'_>, x: &Tensor) -> Result<()> {
        let scale = dropout::scale(self.dropout);
        self.image_bn.backward(step, &self.d_image)?;
        self.image_fc.backward(step, [Some(&self.dy3)], &self.image_bn.dx, [&self.y3])?;
        self.conv3.backward(step, Some(&self.dy2), Backward { dy: &self.dy3, y: &self.y3, scale }, &self.y2)?;
        self.conv2.backward(step, Some(&self.dy1), Backward { dy: &self.dy2, y: &self.y2, scale }, &self.y1)?;
        self.conv1.backward(step, None, Backward { dy: &self.dy1, y: &self.y1, scale }, x)
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
