//! A residual network (He et al. 2016) whose last features meet the noised label.
//!
//! ```text
//! image: conv 3×3 – BN – act – residual × depth ─ [pool 2 – conv 3×3 – BN – act – residual × depth] for each further width – mean ─┐
//! label: FC – BN – act ──────────────────────────────────────────────────────────────────────────────────────────────────────────┤
//! fuse:  concatenate – FC – BN – act – FC – softmax = û     residual: x + act(BN(conv(act(BN(conv(x))))))       ◄────────────────┘
//! ```

use super::builder::{Builder, Value};
use super::graph::Graph;
use super::op::Op;
use super::shape::Shape;
use super::spec;
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// What follows a norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// max(x, 0).
    #[default]
    Relu,
    /// GELU in its tanh form.
    Gelu,
}

/// 3 × 3 convolution with zeros around the image, norm and activation: y of x.
fn conv<'n>(x: Value<'n>, name: &str, channels: usize, act: Activation) -> Value<'n> {
    let conv = spec::Conv { channels, padding: spec::Padding::Same, bias: false, ..spec::Conv::default() };
    activated(x.then(Some(&format!("{name}_conv")), Op::Conv(conv)), name, act)
}

fn activated<'n>(x: Value<'n>, name: &str, act: Activation) -> Value<'n> {
    let y = x.batch_norm(&format!("{name}_bn"));
    match act {
        Activation::Relu => y.relu(),
        Activation::Gelu => y.gelu(),
    }
}

/// The net for samples of shape `x`.
pub(super) fn resnet(
    x: Shape,
    classes: usize,
    widths: &[usize],
    depth: usize,
    hidden: usize,
    act: Activation,
) -> Result<Graph> {
    let net = Builder::new(x, classes);
    let mut y = net.x();
    for (stage, channels) in widths.iter().enumerate() {
        let x = if stage == 0 { y } else { y.max_pool() };
        y = conv(x, &format!("stage{}", stage + 1), *channels, act);
        for block in 1..=depth {
            let name = |layer: &str| format!("stage{}_{block}{layer}", stage + 1);
            let inner = conv(y, &name("a"), *channels, act);
            y = conv(inner, &name("b"), *channels, act).add(y);
        }
    }
    let label = activated(net.z().linear("label_fc", hidden), "label", act);
    let y = activated(net.linear("fuse_fc1", [y.global_pool(), label], hidden), "fuse", act);
    y.linear("fuse_fc2", classes).softmax();
    net.finish()
}
