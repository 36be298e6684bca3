//! A residual network (He et al. 2016) whose last features meet the noised label.
//!
//! ```text
//! image: [whitening –] conv 3×3 – BN – act – residual × depth ─ [pool 2 – conv 3×3 – BN – act – residual × depth] for each further width – mean ─┐
//! label: FC – BN – act ──────────────────────────────────────────────────────────────────────────────────────────────────────────┤
//! fuse:  concatenate – FC – BN – act – FC – softmax = û     residual: x + act(BN(conv(act(BN(conv(x))))))       ◄────────────────┘
//! ```

use super::activation::Activation;
use super::builder::{Builder, Value};
use super::graph::Graph;
use super::op::Op;
use super::spec::{self, ConvInit};
use crate::error::Result;

/// 3 × 3 convolution with zeros around the image, norm and activation: y of x.
fn conv<'n>(x: Value<'n>, name: &str, channels: usize, act: Activation, init: ConvInit) -> Value<'n> {
    let conv = spec::Conv { channels, padding: spec::Padding::Same, bias: false, init, ..spec::Conv::default() };
    x.then(Some(&format!("{name}_conv")), Op::Conv(conv)).batch_norm(&format!("{name}_bn")).activated(act)
}

/// Sizes and choices.
#[derive(Debug, Clone)]
pub(super) struct Options<'a> {
    pub widths: &'a [usize],
    pub depth: usize,
    pub hidden: usize,
    pub activation: Activation,
    /// Filters of a frozen first layer that whitens patches, or 0.
    pub whitening: usize,
    /// Whether convolutions begin as copies.
    pub identity: bool,
}

/// The net behind the inputs of `graph`. A time has a path of its own to the fuse, as the label has.
pub(super) fn resnet(graph: Graph, o: &Options<'_>) -> Result<Graph> {
    let classes = graph.classes();
    let net = Builder::new(graph);
    let (act, init) = (o.activation, if o.identity { ConvInit::Identity } else { ConvInit::Random });
    let mut y = net.x();
    if o.whitening > 0 {
        let conv = spec::Conv { channels: o.whitening, bias: false, init: ConvInit::Whitening, ..Default::default() };
        y = y.then(Some("whiten"), Op::Conv(conv)).activated(act);
    }
    for (stage, channels) in o.widths.iter().enumerate() {
        let x = if stage == 0 { y } else { y.max_pool() };
        y = conv(x, &format!("stage{}", stage + 1), *channels, act, init);
        for block in 1..=o.depth {
            let name = |layer: &str| format!("stage{}_{block}{layer}", stage + 1);
            let inner = conv(y, &name("a"), *channels, act, init);
            y = conv(inner, &name("b"), *channels, act, init).add(y);
        }
    }
    let label = net.z().linear("label_fc", o.hidden).batch_norm("label_bn").activated(act);
    let time = net.time_features().map(|features| features.linear("time_fc", o.hidden).activated(act));
    let inputs: Vec<_> = [y.global_pool(), label].into_iter().chain(time).collect();
    let y = net.linear_of("fuse_fc1", &inputs, o.hidden).batch_norm("fuse_bn").activated(act);
    y.linear("fuse_fc2", classes).softmax();
    net.finish()
}
