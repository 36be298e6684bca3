//! A Vision Transformer (Dosovitskiy et al. 2021): patches of the image and the noised label are tokens; the estimate is read off
//! the label's. Norms come before attention and layers (pre-norm).

use super::builder::{Builder, Value};
use super::graph::Graph;
use super::op::Op;
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

/// The norm of every token, which a time scales and shifts if there is one.
fn norm<'n>(net: &'n Builder, y: Value<'n>, time: Option<Value<'n>>, name: &str) -> Value<'n> {
    let Some(time) = time else { return y.layer_norm(name) };
    let modulation = time.linear(name, 2 * y.width());
    net.push(None, Op::AdaptiveLayerNorm(spec::AdaptiveLayerNorm {}), [y, modulation])
}

/// The net behind the inputs of `graph`. A time scales and shifts what every norm gives (Peebles & Xie 2023).
pub(super) fn vit(graph: Graph, s: Sizes) -> Result<Graph> {
    let classes = graph.classes();
    let net = Builder::new(graph);
    let time = net.time_features().map(|features| features.linear("time_fc", s.width).silu());
    let norm = |y, name: &str| norm(&net, y, time, name);
    let patches = net.x().then(None, Op::Patches(spec::Patches { size: s.patch })).linear("patch", s.width);
    let label = net.z().linear("label", s.width);
    let joined = net.push(None, Op::JoinTokens(spec::JoinTokens {}), [label, patches]);
    let mut y = joined.then(Some("positions"), Op::Positions(spec::Positions {})).dropout(s.dropout);
    for layer in 1..=s.depth {
        let name = |part: &str| format!("layer{layer:02}_{part}");
        let qkv = norm(y, &name("norm1")).linear(&name("qkv"), 3 * s.width);
        let mixed = qkv.then(None, Op::Attention(spec::Attention { heads: s.heads }));
        y = mixed.linear(&name("project"), s.width).dropout(s.dropout).add(y);
        let inner = norm(y, &name("norm2")).linear(&name("fc1"), s.mlp_ratio * s.width).gelu();
        y = inner.linear(&name("fc2"), s.width).dropout(s.dropout).add(y);
    }
    let read = norm(y, "norm").then(None, Op::FirstToken(spec::FirstToken {}));
    read.linear("head", classes).softmax();
    net.finish()
}
