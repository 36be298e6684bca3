//! GELU and SiLU.

use super::{Fit, Spec, one};
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::program::{At, Lowering};
use crate::net::shape::Shape;
use crate::ops::activation::{Activation, Kind};
use serde::{Deserialize, Serialize};

/// The tanh form of GELU (Hendrycks & Gimpel 2016), see [`activation`](crate::ops::activation).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gelu {}

/// x · σ(x), see [`activation`](crate::ops::activation).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Silu {}

fn lower(l: &mut Lowering<'_>, node: NodeId, kind: Kind) {
    let (len, x, y) = (l.len(node), l.value(l.input(node)), l.output(node));
    l.emit("activation", &[x], &[y], move |c| {
        Activation { kind, len: c.samples() * len }.forward(c.write(y), c.read(x))
    });
}

fn differentiate(l: &mut Lowering<'_>, node: NodeId, kind: Kind, dy: At) {
    let (len, input) = (l.len(node), l.input(node));
    let x = l.value(input);
    l.contribute(input, |l, dx| {
        l.emit("activation_backward", &[dy, x], &[dx], move |c| {
            Activation { kind, len: c.samples() * len }.backward(c.write(dx), c.read(dy), c.read(x))
        });
    });
}

macro_rules! activation {
    ($spec:ident) => {
        impl Spec for $spec {
            fn output(&self, inputs: &[Shape], _: usize) -> Fit {
                one(inputs)
            }
            fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
                lower(l, node, Kind::$spec);
                Ok(())
            }
            fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
                differentiate(l, node, Kind::$spec, dy);
                Ok(())
            }
        }
    };
}

activation!(Gelu);
activation!(Silu);
