//! Normalisation of each row: of a vector, of each token, of each pixel: the calls.

use super::Lower;
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::program::At;
use crate::net::program::lower::Lowering;
use crate::net::spec::{AdaptiveLayerNorm, LayerNorm};
use crate::ops::layer_norm::{self, Affine, ModulatedNorm};

impl LayerNorm {
    fn op(l: &Lowering<'_>, node: NodeId) -> layer_norm::LayerNorm {
        let (shape, affine) = (l.shape(node), [l.parameter(node, "weight"), l.parameter(node, "bias")]);
        let affine = Some(Affine { weight: affine[0], bias: affine[1] });
        layer_norm::LayerNorm { rows: shape.rows(), width: shape.width(), affine }
    }
}

impl Lower for LayerNorm {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let (op, x, y) = (Self::op(l, node), l.value(l.input(node)), l.output(node));
        let statistics = l.samples(2 * op.rows);
        l.keep(node, statistics);
        l.emit("layer_norm", &[x], &[y, statistics], move |c| {
            let op = layer_norm::LayerNorm { rows: c.samples() * op.rows, ..op };
            op.forward([c.write(y), c.write(statistics)], c.read(x), c.step.state)
        });
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        let (op, input, statistics) = (Self::op(l, node), l.input(node), l.kept(node));
        let x = l.value(input);
        l.contribute(input, |l, dx| {
            l.emit("layer_norm_backward", &[dy, x, statistics], &[dx], move |c| {
                let op = layer_norm::LayerNorm { rows: c.samples() * op.rows, ..op };
                let [dy, x, statistics] = [c.read(dy), c.read(x), c.read(statistics)];
                op.backward_data(c.write(dx), [dy, x, statistics, c.step.state])?;
                op.backward_weights(c.step.gradients, [dy, x, statistics])?;
                let Some(affine) = op.affine else { return Ok(()) };
                c.step.update([affine.weight, affine.bias])
            });
        });
        Ok(())
    }
}

impl AdaptiveLayerNorm {
    fn op(l: &Lowering<'_>, node: NodeId) -> ModulatedNorm {
        let shape = l.shape(node);
        ModulatedNorm { rows: shape.rows(), width: shape.width(), tokens: shape.rows() }
    }
}

impl Lower for AdaptiveLayerNorm {
    fn lower(&self, l: &mut Lowering<'_>, node: NodeId) -> Result<()> {
        let (op, inputs, y) = (Self::op(l, node), l.inputs(node), l.output(node));
        let [x, modulation] = [l.value(inputs[0]), l.value(inputs[1])];
        let statistics = l.samples(2 * op.rows);
        l.keep(node, statistics);
        l.emit("adaptive_layer_norm", &[x, modulation], &[y, statistics], move |c| {
            let op = ModulatedNorm { rows: c.samples() * op.rows, ..op };
            op.forward([c.write(y), c.write(statistics)], c.read(x), c.read(modulation))
        });
        Ok(())
    }
    fn differentiate(&self, l: &mut Lowering<'_>, node: NodeId, dy: At) -> Result<()> {
        let (op, inputs, statistics) = (Self::op(l, node), l.inputs(node), l.kept(node));
        let [x, modulation] = [l.value(inputs[0]), l.value(inputs[1])];
        if l.needs(inputs[1]) {
            l.contribute(inputs[1], |l, d_modulation| {
                l.emit("adaptive_layer_norm_modulation", &[dy, x, statistics], &[d_modulation], move |c| {
                    let op = ModulatedNorm { rows: c.samples() * op.rows, ..op };
                    op.backward_modulation(c.write(d_modulation), [c.read(dy), c.read(x), c.read(statistics)])
                });
            });
        }
        if l.needs(inputs[0]) {
            l.contribute(inputs[0], |l, dx| {
                l.emit("adaptive_layer_norm_backward", &[dy, x, statistics, modulation], &[dx], move |c| {
                    let op = ModulatedNorm { rows: c.samples() * op.rows, ..op };
                    let sources = [c.read(dy), c.read(x), c.read(statistics), c.read(modulation)];
                    op.backward_data(c.write(dx), sources)
                });
            });
        }
        Ok(())
    }
}
