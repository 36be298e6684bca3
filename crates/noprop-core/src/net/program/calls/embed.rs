//! Shares of the classes by their embeddings: the calls, and what they compute. It is little beside a net's layers.

use super::Lower;
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::program::At;
use crate::net::program::lower::Lowering;
use crate::net::spec::Embed;
use crate::ops::{BlockOp, apply};
use crate::tensor::{Real, check};
use std::sync::Arc;

/// A product of rows with the embeddings `[classes, width]`, or with their transpose.
struct Product {
    samples: usize,
    classes: usize,
    width: usize,
    rows: Arc<[f32]>,
    /// Whether the source has `width` values a sample, and the result one a class.
    is_transposed: bool,
}

impl BlockOp<1> for Product {
    const NAME: &'static str = "embed";
    fn block<T: Real>(&self, _: usize, to: &mut [T], [from]: [&[T]; 1]) -> Result<()> {
        let Self { samples, classes, width, rows, is_transposed } = self;
        let (inputs, outputs) = if *is_transposed { (*width, *classes) } else { (*classes, *width) };
        check(from.len() >= samples * inputs && to.len() >= samples * outputs, "embeddings")?;
        check(rows.len() == classes * width, "rows of embeddings")?;
        let pairs = to.chunks_exact_mut(outputs).zip(from.chunks_exact(inputs)).take(*samples);
        for (to, from) in pairs {
            if *is_transposed {
                for (to, row) in to.iter_mut().zip(rows.chunks_exact(*width)) {
                    *to = from
                        .iter()
                        .zip(row)
                        .fold(T::zero(), |sum, (from, value)| sum + *from * T::of(f64::from(*value)));
                }
            } else {
                to.fill(T::zero());
                for (from, row) in from.iter().zip(rows.chunks_exact(*width)) {
                    to.iter_mut().zip(row).for_each(|(to, value)| *to = *to + *from * T::of(f64::from(*value)));
                }
            }
        }
        Ok(())
    }
}

impl Lower for Embed {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let (from, to, product) = (l.value(l.input(node)), l.output(node), self.product(false));
        l.emit("embed", &[from], &[to], move |c| apply(&product(c.samples())?, c.write(to), [c.read(from)]));
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        let (input, product) = (l.input(node), self.product(true));
        l.contribute(input, |l, dx| {
            l.emit("embed_backward", &[dy], &[dx], move |c| apply(&product(c.samples())?, c.write(dx), [c.read(dy)]));
        });
        Ok(())
    }
}

impl Embed {
    fn product(&self, is_transposed: bool) -> impl Fn(usize) -> Result<Product> + Send + use<> {
        let vectors = self.vectors.clone();
        move |samples| {
            let (classes, width) = (vectors.classes(), vectors.width());
            let rows = vectors.rows().cloned().unwrap_or_default();
            Ok(Product { samples, classes, width, rows, is_transposed })
        }
    }
}
