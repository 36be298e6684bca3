//! A Vision Transformer (Dosovitskiy et al. 2021): patches of the image and the noised label are tokens; the estimate is read off
//! the label's. Norms come before attention and layers (pre-norm).

use super::builder::Builder;
use super::graph::Graph;
use super::op::Op;
use super::shape::Shape;
use super::spec;
use crate::error::Result;

/// Sizes of the net.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub patch: usize,
    pub width: usize,
    pub depth: usize,
    pub heads: usize,
    pub mlp_ratio: usize,
    pub dropout: f64,
}

/// The net for samples of shape `x`.
pub(super) fn vit(x: Shape, classes: usize, s: Sizes) -> Result<Graph> {
    let net = Builder::new(x, classes);
    let patches = net.x().then(None, Op::Patches(spec::Patches { size: s.patch })).linear("patch", s.width);
    let label = net.z().linear("label", s.width);
    let joined = net.push(None, Op::JoinTokens(spec::JoinTokens {}), [label, patches]);
    let mut y = joined.then(Some("positions"), Op::Positions(spec::Positions {})).dropout(s.dropout);
    for layer in 1..=s.depth {
        let name = |part: &str| format!("layer{layer:02}_{part}");
        let qkv = y.layer_norm(&name("norm1")).linear(&name("qkv"), 3 * s.width);
        let mixed = qkv.then(None, Op::Attention(spec::Attention { heads: s.heads }));
        y = mixed.linear(&name("project"), s.width).dropout(s.dropout).add(y);
        let inner = y.layer_norm(&name("norm2")).linear(&name("fc1"), s.mlp_ratio * s.width).gelu();
        y = inner.linear(&name("fc2"), s.width).dropout(s.dropout).add(y);
    }
    let read = y.layer_norm("norm").then(None, Op::FirstToken(spec::FirstToken {}));
    read.linear("head", classes).softmax();
    net.finish()
}
