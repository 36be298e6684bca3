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
use crate::ops::add::Add;
use crate::ops::conv3x3::Dims;
use crate::ops::dropout::{self, Dropout};
use crate::ops::max_pool2::MaxPool2;
use crate::ops::relu::Relu;
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
        let conv = |height, width, cin, cout| Dims { height, width, cin, cout };
        let conv1 = conv(height, width, channels, widths[0]);
        let conv2 = conv(conv1.out_height() / 2, conv1.out_width() / 2, widths[0], widths[1]);
        let conv3 = conv(conv2.out_height(), conv2.out_width(), widths[1], widths[2]);
        let features = (conv3.out_height() / 2) * (conv3.out_width() / 2) * widths[2];
        Ok(Self { conv1, conv2, conv3, features, hidden, classes })
    }

    fn linear_multiply_adds(&self) -> usize {
        let (h, k) = (self.hidden, self.classes);
        (self.features + k + 2 * h) * h + 2 * h * h + h * (h / 2) + h / 2 * k
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
    x: Tensor,
    y: Tensor,
    statistics: Tensor,
    dx: Tensor,
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
    /// Outputs of the convolutions; the pooled ones become their own gradients.
    a1: Tensor,
    a2: Tensor,
    a3: Tensor,
    /// Pooled and dropped.
    p1: Tensor,
    p3: Tensor,
    estimate: Tensor,
    dp1: Tensor,
    da2: Tensor,
    dp3: Tensor,
    /// Gradients of the fused vectors `[hidden]`, of the fuse path's two hidden outputs, and of the skip path.
    d_image: Tensor,
    d_label: Tensor,
    d_fuse1: Tensor,
    d_fuse2: Tensor,
    d_skip: Tensor,
}

impl Cnn {
    /// A block of these sizes.
    pub fn new(s: Sizes, dropout: f64, buffers: &Buffers) -> Result<Self> {
        let l = &layout(&s);
        let h = s.hidden;
        let bn = |name: &str, width: usize, relu: bool| Normalised::new(l, name, width, relu, buffers);
        let p1 = s.conv2.input();
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
            a1: buffers.samples(s.conv1.output())?,
            a2: buffers.samples(s.conv2.output())?,
            a3: buffers.samples(s.conv3.output())?,
            p1: buffers.samples(p1)?,
            p3: buffers.samples(s.features)?,
            estimate: buffers.samples(s.classes)?,
            dp1: buffers.gradient(p1)?,
            da2: buffers.gradient(s.conv2.output())?,
            dp3: buffers.gradient(s.features)?,
            d_image: buffers.gradient(h)?,
            d_label: buffers.gradient(h)?,
            d_fuse1: buffers.gradient(h)?,
            d_fuse2: buffers.gradient(h / 2)?,
            d_skip: buffers.gradient(h)?,
        })
    }

    fn pool(samples: usize, d: &Dims) -> MaxPool2 {
        MaxPool2 { samples, height: d.out_height(), width: d.out_width(), channels: d.cout }
    }

    fn softmax(&self, samples: usize) -> Softmax {
        Softmax { samples, classes: self.sizes.classes }
    }

    fn dropout<'a>(&self, draw: Draw<'a>, stage: u16, len: usize) -> Dropout<'a> {
        let Draw { seed, blocks, epoch, samples } = draw;
        Dropout { rate: self.dropout, seed, stage, blocks, epoch, samples, len }
    }

    /// Undoes dropout and ReLU on a gradient, given the dropped output.
    fn unmask(&self, samples: usize, dy: &Tensor, y: &Tensor, len: usize) -> Result<()> {
        Relu { len: samples * len }.backward(dy, y, dropout::scale(self.dropout))
    }

    fn forward_image(&self, step: Step<'_>, mode: Mode<'_>, x: &Tensor) -> Result<()> {
        let (s, n) = (&self.sizes, step.samples);
        let drop = |y: &Tensor, stage: u16, len: usize| match mode {
            Mode::Training(draw) => self.dropout(draw, stage, len).forward(y),
            Mode::Evaluation => Ok(()),
        };
        self.conv1.forward(step, &self.a1, x)?;
        Self::pool(n, &s.conv1).forward(&self.p1, &self.a1)?;
        drop(&self.p1, 0, s.conv2.input())?;
        self.conv2.forward(step, &self.a2, &self.p1)?;
        drop(&self.a2, 1, s.conv3.input())?;
        self.conv3.forward(step, &self.a3, &self.a2)?;
        Self::pool(n, &s.conv3).forward(&self.p3, &self.a3)?;
        drop(&self.p3, 2, s.features)?;
        self.image_fc.forward(step, &self.image_bn.x, [&self.p3])?;
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
        let fused = [&self.image_bn.y, &self.label_bn3.y];
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
        let (s, n) = (&self.sizes, step.samples);
        self.image_bn.backward(step, &self.d_image)?;
        self.image_fc.backward(step, [Some(&self.dp3)], &self.image_bn.dx, [&self.p3])?;
        self.unmask(n, &self.dp3, &self.p3, s.features)?;
        Self::pool(n, &s.conv3).backward(&self.a3, &self.dp3)?;
        self.conv3.backward(step, Some(&self.da2), &self.a3, &self.a2)?;
        self.unmask(n, &self.da2, &self.a2, s.conv3.input())?;
        self.conv2.backward(step, Some(&self.dp1), &self.da2, &self.p1)?;
        self.unmask(n, &self.dp1, &self.p1, s.conv2.input())?;
        Self::pool(n, &s.conv1).backward(&self.a1, &self.dp1)?;
        self.conv1.backward(step, None, &self.a1, x)
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

    fn backward(&mut self, step: Step<'_>, gradient: &Tensor, x: &Tensor, z: &Tensor) -> Result<()> {
        self.softmax(step.samples).backward(gradient, &self.estimate)?;
        self.backward_fuse(step, gradient)?;
        self.backward_label(step, z)?;
        self.backward_image(step, x)
    }
}
