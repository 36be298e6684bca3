//! GELU and SiLU: the calls.

use super::Lower;
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::program::At;
use crate::net::program::lower::Lowering;
use crate::net::spec::{Gelu, Silu};
use crate::ops::activation::{Activation, Kind};

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
        impl Lower for $spec {
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
