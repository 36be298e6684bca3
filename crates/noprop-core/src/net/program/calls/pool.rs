//! Windows of 2 × 2 pixels, and the mean of all: the calls.

use super::Lower;
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::program::At;
use crate::net::program::lower::Lowering;
use crate::net::shape::Shape;
use crate::net::spec::{GlobalPool, MaxPool, MeanPool};
use crate::ops::pool::{GlobalMean, Kind, Pool};

fn pool(l: &Lowering<'_>, node: NodeId, kind: Kind) -> Pool {
    let Shape::Image { height, width, channels } = l.input_shapes(node)[0] else { unreachable!("an image") };
    Pool { kind, samples: 1, height, width, channels }
}

fn lower(l: &mut Lowering<'_>, node: NodeId, kind: Kind) {
    let (op, x, y) = (pool(l, node, kind), l.value(l.input(node)), l.output(node));
    l.emit("pool", &[x], &[y], move |c| Pool { samples: c.samples(), ..op }.forward(c.write(y), c.read(x)));
}

fn differentiate(l: &mut Lowering<'_>, node: NodeId, kind: Kind, dy: At) {
    let (op, input, y) = (pool(l, node, kind), l.input(node), l.value(node));
    let x = l.value(input);
    l.contribute(input, |l, dx| {
        l.emit("pool_backward", &[dy, x, y], &[dx], move |c| {
            Pool { samples: c.samples(), ..op }.backward(c.write(dx), [c.read(dy), c.read(x), c.read(y)])
        });
    });
}

macro_rules! pooling {
    ($spec:ident, $kind:ident) => {
        impl Lower for $spec {
            fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
                lower(l, node, Kind::$kind);
                Ok(())
            }
            fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
                differentiate(l, node, Kind::$kind, dy);
                Ok(())
            }
        }
    };
}

pooling!(MaxPool, Max);
pooling!(MeanPool, Mean);

fn global(l: &Lowering<'_>, node: NodeId) -> GlobalMean {
    let shape = l.input_shapes(node)[0];
    GlobalMean { samples: 1, positions: shape.rows(), channels: shape.width() }
}

impl Lower for GlobalPool {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let (op, x, y) = (global(l, node), l.value(l.input(node)), l.output(node));
        l.emit("global_pool", &[x], &[y], move |c| {
            GlobalMean { samples: c.samples(), ..op }.forward(c.write(y), c.read(x))
        });
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        let op = global(l, node);
        l.contribute(l.input(node), |l, dx| {
            l.emit("global_pool_backward", &[dy], &[dx], move |c| {
                GlobalMean { samples: c.samples(), ..op }.backward(c.write(dx), c.read(dy))
            });
        });
        Ok(())
    }
}
