//! Shares of the classes by their embeddings: the calls.

use super::Lower;
use crate::diffusion::ClassVectors;
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::program::At;
use crate::net::program::lower::Lowering;
use crate::net::spec;
use crate::ops::embed::Embed;
use crate::tensor::Buffer;
use candle_core::Tensor;
use std::sync::OnceLock;

impl Lower for spec::Embed {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let (from, to, rows) = (l.value(l.input(node)), l.output(node), Rows::of(&self.vectors));
        l.emit("embed", &[from], &[to], move |c| rows.multiply(c.samples(), false, c.write(to), c.read(from)));
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        let (input, rows) = (l.input(node), Rows::of(&self.vectors));
        l.contribute(input, |l, dx| {
            l.emit("embed_backward", &[dy], &[dx], move |c| rows.multiply(c.samples(), true, c.write(dx), c.read(dy)));
        });
        Ok(())
    }
}

/// The embeddings where a net computes.
struct Rows {
    vectors: ClassVectors,
    /// `[1, classes · width]`, from the first call on.
    there: OnceLock<Tensor>,
}

impl Rows {
    fn of(vectors: &ClassVectors) -> Self {
        Self { vectors: vectors.clone(), there: OnceLock::new() }
    }

    fn multiply(&self, samples: usize, is_transposed: bool, to: &Buffer, from: &Tensor) -> Result<()> {
        let (classes, width) = (self.vectors.classes(), self.vectors.width());
        let rows = match self.there.get() {
            Some(rows) => rows,
            None => {
                let values: &[f32] = self.vectors.rows().map_or(&[], |rows| &rows[..]);
                let rows = Tensor::from_slice(values, (1, values.len()), to.device())?.to_dtype(to.dtype())?;
                self.there.get_or_init(|| rows)
            }
        };
        Embed { samples, classes, width, is_transposed }.forward(to, from, rows)
    }
}
