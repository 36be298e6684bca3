//! What transformers need beside layers of tokens: patches, positions, attention, features of a time.

use super::{Fit, Misfit, Signature, Spec, Tensor, check_width, one, one_image};
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::layout::Init;
use crate::net::program::{At, Lowering};
use crate::net::shape::Shape;
use crate::ops::attention;
use crate::ops::patches;
use crate::ops::positions;
use crate::ops::time_features;
use serde::{Deserialize, Serialize};

/// An image cut into patches of `size` × `size` pixels, each a token. See [`patches`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patches {
    /// Height and width of a patch, which height and width of the image are multiples of.
    pub size: usize,
}

/// A learned vector for each token, added to it. See [`positions`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Positions {}

/// Attention of the tokens to one another; the input holds queries, keys and values side by side. See [`attention`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attention {
    /// Parts of the width that attend by themselves.
    pub heads: usize,
}

/// Sines and cosines of a time in [0, 1]. See [`time_features`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeFeatures {
    /// Number of features, even.
    pub width: usize,
}

impl Patches {
    fn op(&self, l: &Lowering<'_>, node: NodeId) -> patches::Patches {
        let Shape::Image { height, width, channels } = l.input_shapes(node)[0] else { unreachable!("an image") };
        patches::Patches { samples: 1, height, width, channels, patch: self.size }
    }
}

impl Spec for Patches {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        let [height, width, channels] = one_image(inputs)?;
        let size = self.size;
        if size == 0 || height % size != 0 || width % size != 0 {
            let misfit = Misfit::new(format!("a size that divides {height} and {width}"), size.to_string());
            return Err(misfit.field("size"));
        }
        Ok(Shape::Tokens { count: (height / size) * (width / size), width: size * size * channels })
    }
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let (op, x, y) = (self.op(l, node), l.value(l.input(node)), l.output(node));
        l.emit("patches", &[x], &[y], move |c| {
            patches::Patches { samples: c.samples(), ..op }.forward(c.write(y), c.read(x))
        });
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        let op = self.op(l, node);
        l.contribute(l.input(node), |l, dx| {
            l.emit("patches_backward", &[dy], &[dx], move |c| {
                patches::Patches { samples: c.samples(), ..op }.backward(c.write(dx), c.read(dy))
            });
        });
        Ok(())
    }
}

impl Positions {
    fn op(l: &Lowering<'_>, node: NodeId) -> positions::Positions {
        positions::Positions { samples: 1, len: l.len(node), parameter: l.parameter(node, "weight") }
    }
}

impl Spec for Positions {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        one(inputs)
    }
    fn tensors(&self, s: &Signature) -> Vec<Tensor> {
        vec![Tensor { name: "weight", trained: true, shape: s.output.dims(), init: Init::FanIn(s.output.width()) }]
    }
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let (op, y) = (Self::op(l, node), l.overwritten(node));
        l.emit("positions", &[], &[y], move |c| {
            positions::Positions { samples: c.samples(), ..op }.forward(c.write(y), c.step.state)
        });
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        let op = Self::op(l, node);
        l.emit("positions_backward", &[dy], &[], move |c| {
            let op = positions::Positions { samples: c.samples(), ..op };
            op.backward_weights(c.step.gradients, c.read(dy))?;
            c.step.update([op.parameter])
        });
        l.contribute_to_all([l.input(node)], dy);
        Ok(())
    }
}

impl Attention {
    fn op(&self, l: &Lowering<'_>, node: NodeId) -> attention::Attention {
        let shape = l.shape(node);
        attention::Attention { samples: 1, tokens: shape.rows(), width: shape.width(), heads: self.heads }
    }
}

impl Spec for Attention {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        let Shape::Tokens { count, width } = one(inputs)? else {
            return Err(Misfit::new("tokens [count, 3 * width]", inputs[0].to_string()).field("from"));
        };
        if width % 3 != 0 {
            let misfit =
                Misfit::new("tokens of queries, keys and values: a width that 3 divides", inputs[0].to_string());
            return Err(misfit.field("from"));
        }
        if self.heads == 0 || (width / 3) % self.heads != 0 {
            return Err(
                Misfit::new(format!("a number that divides {}", width / 3), self.heads.to_string()).field("heads")
            );
        }
        Ok(Shape::Tokens { count, width: width / 3 })
    }
    fn multiply_adds(&self, s: &Signature) -> Vec<usize> {
        vec![2 * s.output.rows() * s.output.len()]
    }
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let (op, qkv, y) = (self.op(l, node), l.value(l.input(node)), l.output(node));
        let probabilities = l.samples(op.heads * op.tokens * op.tokens);
        l.keep(node, probabilities);
        l.emit("attention", &[qkv], &[y, probabilities], move |c| {
            let op = attention::Attention { samples: c.samples(), ..op };
            op.forward([c.write(y), c.write(probabilities)], c.read(qkv))
        });
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        let (op, input, probabilities) = (self.op(l, node), l.input(node), l.kept(node));
        let qkv = l.value(input);
        l.contribute(input, |l, dx| {
            l.emit("attention_backward", &[dy, qkv, probabilities], &[dx], move |c| {
                let op = attention::Attention { samples: c.samples(), ..op };
                op.backward(c.write(dx), [c.read(dy), c.read(qkv), c.read(probabilities)])
            });
        });
        Ok(())
    }
}

impl Spec for TimeFeatures {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        check_width(self.width, "width")?;
        if self.width % 2 != 0 {
            return Err(Misfit::new("an even number", self.width.to_string()).field("width"));
        }
        match one(inputs)? {
            Shape::Vector(1) => Ok(Shape::Vector(self.width)),
            other => Err(Misfit::new("a vector [1], a time", other.to_string()).field("from")),
        }
    }
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let (width, time, y) = (self.width, l.value(l.input(node)), l.output(node));
        l.emit("time_features", &[time], &[y], move |c| {
            time_features::TimeFeatures { samples: c.samples(), width }.forward(c.write(y), c.read(time))
        });
        Ok(())
    }
    /// A time is nobody's output, or one that nothing is trained by.
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, _: At) -> Result<()> {
        let (input, len) = (l.input(node), 1);
        l.contribute(input, |l, dx| l.zero(dx, len));
        Ok(())
    }
}
