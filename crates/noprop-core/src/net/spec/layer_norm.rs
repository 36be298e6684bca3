//! Normalisation of each row: of a vector, of each token, of each pixel.

use super::{Fit, Misfit, Signature, Spec, Tensor, one};
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::layout::Init;
use crate::net::program::{At, Lowering};
use crate::net::shape::Shape;
use crate::ops::layer_norm::{self, Affine, ModulatedNorm};
use serde::{Deserialize, Serialize};

/// See [`layer_norm`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerNorm {}

/// The same, scaled by 1 + s and shifted by t, where the second input is the vector `[s | t]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdaptiveLayerNorm {}

impl LayerNorm {
    fn op(l: &Lowering<'_>, node: NodeId) -> layer_norm::LayerNorm {
        let (shape, affine) = (l.shape(node), [l.parameter(node, "weight"), l.parameter(node, "bias")]);
        let affine = Some(Affine { weight: affine[0], bias: affine[1] });
        layer_norm::LayerNorm { rows: shape.rows(), width: shape.width(), affine }
    }
}

impl Spec for LayerNorm {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        one(inputs)
    }
    fn tensors(&self, s: &Signature) -> Vec<Tensor> {
        let tensor =
            |name, value| Tensor { name, trained: true, shape: vec![s.output.width()], init: Init::Constant(value) };
        vec![tensor("weight", 1.0), tensor("bias", 0.0)]
    }
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

impl Spec for AdaptiveLayerNorm {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        let [x, modulation] = inputs else {
            return Err(Misfit::new(
                "two inputs: what is normalised, and scales and shifts",
                format!("{} inputs", inputs.len()),
            )
            .field("from"));
        };
        if *modulation != Shape::Vector(2 * x.width()) {
            let expected =
                format!("a vector [{}] as the second input: a scale and a shift for each column", 2 * x.width());
            return Err(Misfit::new(expected, modulation.to_string()).field("from"));
        }
        Ok(*x)
    }
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
