//! Shares of the classes by their embeddings: the calls.

use super::Lower;
use crate::diffusion::ClassVectors;
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::program::lower::Lowering;
use crate::net::program::{At, Context};
use crate::net::spec;
use crate::ops::embed::Embed;
use crate::tensor::Buffer;
use candle_core::{DType, Tensor};
use std::sync::OnceLock;

impl Lower for spec::Embed {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let (from, to, rows) = (l.value(l.input(node)), l.output(node), Rows::of(self, l, node));
        l.emit("embed", &[from], &[to], move |c| rows.multiply(c, false, c.write(to), c.read(from)));
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        let (input, rows) = (l.input(node), Rows::of(self, l, node));
        let op = rows.op;
        if l.needs(input) {
            l.contribute(input, |l, dx| {
                l.emit("embed_backward", &[dy], &[dx], move |c| rows.multiply(c, true, c.write(dx), c.read(dy)));
            });
        }
        if self.trained {
            // The node behind all others that use these embeddings begins their gradient, the one before all others ends it.
            let (is_first, is_last) = l.ends_of_use(node);
            let (shares, slot) = (l.value(input), l.parameter(node, "weight"));
            l.emit("embed_backward_rows", &[dy, shares], &[], move |c| {
                let op = Embed { samples: c.samples(), ..op };
                op.backward_rows(c.step.gradients, c.read(shares), c.read(dy), !is_first)?;
                if is_last { c.step.update([slot]) } else { Ok(()) }
            });
        }
        Ok(())
    }
}

/// The embeddings where a net computes.
struct Rows {
    /// The product, but for its samples.
    op: Embed,
    /// Those that are not trained.
    fixed: Option<ClassVectors>,
    /// The same as `[1, classes · width]`, from the first call on.
    there: OnceLock<Tensor>,
}

impl Rows {
    fn of(spec: &spec::Embed, l: &Lowering<'_>, node: NodeId) -> Self {
        let (classes, width) = (spec.vectors.classes(), spec.vectors.width());
        let offset = if spec.trained { l.parameter(node, "weight").offset } else { 0 };
        let fixed = (!spec.trained).then(|| spec.vectors.clone());
        let op = Embed { samples: 0, classes, width, offset, is_transposed: false };
        Self { op, fixed, there: OnceLock::new() }
    }

    fn multiply(&self, c: &Context<'_>, is_transposed: bool, to: &Buffer, from: &Tensor) -> Result<()> {
        let op = Embed { samples: c.samples(), is_transposed, ..self.op };
        let Some(vectors) = &self.fixed else { return op.forward(to, from, c.step.state) };
        let rows = match self.there.get() {
            Some(rows) => rows,
            None => {
                let values: &[f32] = vectors.rows().map_or(&[], |rows| &rows[..]);
                let shape = (1, values.len());
                // candle's conversion of any type to any other would be a hundredth of the addon.
                let rows = match to.dtype() {
                    DType::F64 => {
                        Tensor::from_iter(values.iter().copied().map(f64::from), to.device())?.reshape(shape)?
                    }
                    _ => Tensor::from_slice(values, shape, to.device())?,
                };
                self.there.get_or_init(|| rows)
            }
        };
        op.forward(to, from, rows)
    }
}
