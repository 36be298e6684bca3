//! Walks a graph twice: forward in the order of its nodes, backward in the reverse.

use super::calls::{self, batch_norm};
use super::dense;
use super::fuse::{Group, resolve};
use super::lower::Lowering;
use super::stage::Stage;
use super::{At, Call, Size, Target};
use crate::error::Result;
use crate::net::graph::{Graph, NodeId};
use crate::net::layout::Layout;

/// Calls and slots of a net.
pub(super) struct Compiled {
    pub forward: Vec<Call>,
    pub backward: Vec<Call>,
    /// The size of each slot.
    pub sizes: Vec<Size>,
    pub estimate: At,
    /// Where the gradient of z is, if the net was asked for it.
    pub z_gradient: Option<At>,
}

/// Compiles a net whose tensors lie where `layout` says.
pub(super) fn compile(graph: &Graph, layout: &Layout, target: Target) -> Result<Compiled> {
    let mut l = Lowering::new(graph, layout, target);
    for group in l.groups.clone() {
        l.begin(group);
        match group {
            Group::Stage { .. } => Stage::lower(&mut l, group),
            Group::Dense { linear, norm, relu, dropout } => dense::lower(&mut l, linear, norm, relu, dropout),
            Group::NormRelu { norm, relu } => batch_norm::lower(&mut l, norm, relu),
            Group::Single(node) => calls::of(l.op(node)).lower(&mut l, node)?,
        }
        l.end(group);
    }
    let last = resolve(graph, graph.nodes().len() - 1);
    let estimate = l.value(last);
    if target.training {
        differentiate(&mut l, last)?;
    }
    let z_gradient = if graph.form().z_gradient { l.gradients.of[Graph::Z] } else { None };
    let [forward, backward] = l.calls;
    Ok(Compiled { forward, backward, sizes: l.sizes, estimate, z_gradient })
}

/// Emits the calls that lead from the gradient of the estimate to all others.
fn differentiate(l: &mut Lowering<'_>, estimate: NodeId) -> Result<()> {
    l.backward = true;
    l.set_gradient(estimate, At::Estimate);
    for group in l.groups.clone().into_iter().rev() {
        let output = group.output();
        if l.op(output).is_local() {
            calls::of(l.op(output)).differentiate(l, output, At::Estimate)?;
            continue;
        }
        if !l.needs(output) {
            continue;
        }
        match group {
            Group::Dense { linear, .. } => {
                let dy = if l.dense[&linear].is_through() { At::Estimate } else { l.take(output) };
                dense::differentiate(l, linear, dy);
            }
            // A reader of the sum may have handed the gradient on already.
            _ if !l.has_gradient(output) => {}
            Group::Stage { .. } => {
                let dy = l.take(output);
                Stage::differentiate(l, group, dy);
            }
            Group::NormRelu { norm, relu } => {
                let dy = l.take(output);
                batch_norm::differentiate(l, norm, relu, dy);
            }
            Group::Single(node) => {
                let dy = l.take(output);
                calls::of(l.op(node)).differentiate(l, node, dy)?;
            }
        }
    }
    Ok(())
}
