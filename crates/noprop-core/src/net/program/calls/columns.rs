//! Vectors behind one another, tokens behind one another, and one token out of all: the calls.

use super::Lower;
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::program::At;
use crate::net::program::lower::Lowering;
use crate::net::shape::Shape;
use crate::net::spec::{Concatenate, FirstToken, JoinTokens};
use crate::ops::copy_columns::CopyColumns;

/// The columns of each input in the output: `rows` rows a sample.
fn columns(rows: usize, widths: &[usize]) -> Vec<CopyColumns> {
    let total = widths.iter().sum();
    let mut before = 0;
    let copy = |width: &usize| {
        let (width, to_offset) = (*width, before);
        before += width;
        CopyColumns { rows, width, from_stride: width, from_offset: 0, to_stride: total, to_offset, add: false }
    };
    widths.iter().map(copy).collect()
}

fn join(l: &mut Lowering<'_>, node: NodeId, copies: Vec<CopyColumns>) {
    let (inputs, y) = (l.inputs(node), l.output(node));
    for (input, copy) in inputs.into_iter().zip(copies) {
        let x = l.value(input);
        l.emit("copy_columns", &[x], &[y], move |c| {
            CopyColumns { rows: c.samples() * copy.rows, ..copy }.forward(c.write(y), c.read(x))
        });
    }
}

fn part(l: &mut Lowering<'_>, node: NodeId, copies: Vec<CopyColumns>, dy: At) {
    for (input, copy) in l.inputs(node).into_iter().zip(copies) {
        if !l.needs(input) {
            continue;
        }
        l.contribute(input, |l, dx| {
            l.emit("copy_columns", &[dy], &[dx], move |c| {
                CopyColumns { rows: c.samples() * copy.rows, ..copy }.backward(c.write(dx), c.read(dy))
            });
        });
    }
}

impl Concatenate {
    fn copies(l: &Lowering<'_>, node: NodeId) -> Vec<CopyColumns> {
        let shapes = l.input_shapes(node);
        columns(shapes[0].rows(), &shapes.iter().map(Shape::width).collect::<Vec<_>>())
    }
}

impl Lower for Concatenate {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let copies = Self::copies(l, node);
        join(l, node, copies);
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        let copies = Self::copies(l, node);
        part(l, node, copies, dy);
        Ok(())
    }
}

impl JoinTokens {
    fn copies(l: &Lowering<'_>, node: NodeId) -> Vec<CopyColumns> {
        columns(1, &l.input_shapes(node).iter().map(Shape::len).collect::<Vec<_>>())
    }
}

impl Lower for JoinTokens {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let copies = Self::copies(l, node);
        join(l, node, copies);
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        let copies = Self::copies(l, node);
        part(l, node, copies, dy);
        Ok(())
    }
}

impl FirstToken {
    fn copy(l: &Lowering<'_>, node: NodeId) -> CopyColumns {
        let (tokens, width) = (l.input_shapes(node)[0].len(), l.len(node));
        CopyColumns { rows: 1, width, from_stride: tokens, from_offset: 0, to_stride: width, to_offset: 0, add: false }
    }
}

impl Lower for FirstToken {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let copy = Self::copy(l, node);
        join(l, node, vec![copy]);
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        let (copy, input) = (Self::copy(l, node), l.input(node));
        let len = l.len(input);
        l.contribute(input, |l, dx| {
            // The other tokens got nothing from here.
            l.zero(dx, len);
            l.emit("copy_columns", &[dy], &[dx], move |c| {
                CopyColumns { rows: c.samples(), ..copy }.backward(c.write(dx), c.read(dy))
            });
        });
        Ok(())
    }
}
