//! A fully connected layer with what follows it: batch norm, ReLU, dropout; see [`linear`](crate::ops::linear). The gradient of its
//! input goes on at once through what has made the input, which is then in a cache, or in the same kernel on a device.

use super::calls::batch_norm::{of_batch, op_of};
use super::lower::Lowering;
use super::state::{Dense, Norm, Reads};
use super::{At, Context};
use crate::error::Result;
use crate::net::graph::NodeId;
use crate::net::op::Op;
use crate::net::shape::Shape;
use crate::net::spec::{Role, Streams, inputs_of};
use crate::ops::batch_norm;
use crate::ops::dropout;
use crate::ops::linear::{Dense as Products, DenseBackward, GradientBuffers, Linear};
use crate::ops::multiply::Precision;
use crate::ops::relu::Relu;
use candle_core::Tensor;

/// The product of one sample for those of a batch.
fn of(linear: Linear, c: &Context<'_>) -> Linear {
    Linear { samples: c.samples() * linear.samples, precision: c.step.precision, ..linear }
}

/// The product of every input; the first brings the bias.
fn parts(l: &Lowering<'_>, node: NodeId) -> Vec<(NodeId, Linear)> {
    let (weight, bias) = (l.parameter(node, "weight"), l.parameter(node, "bias"));
    let (rows, outputs) = (l.shape(node).rows(), l.shape(node).width());
    let mut before = 0;
    let shapes: Vec<Shape> = l.input_shapes(node);
    let products = l.inputs(node).into_iter().zip(shapes).enumerate().map(|(part, (input, shape))| {
        let inputs = inputs_of(shape);
        let weight = weight.part(before * outputs, inputs * outputs);
        before += inputs;
        let bias = (part == 0).then_some(bias);
        (input, Linear { samples: rows, inputs, outputs, weight, bias, precision: Precision::F32 })
    });
    products.collect()
}

/// Emits the layer `linear`, and what follows it.
pub(super) fn lower(
    l: &mut Lowering<'_>,
    linear: NodeId,
    norm: Option<NodeId>,
    relu: Option<NodeId>,
    dropout: Option<NodeId>,
) {
    let parts = parts(l, linear);
    let output = dropout.or(relu).or(norm).unwrap_or(linear);
    let relu = relu.is_some();
    let y = l.output(output);
    let reads = if relu { Reads::Gate } else { Reads::Nothing };
    l.set_value(output, y, reads);
    let x: Vec<At> = parts.iter().map(|(input, _)| l.value(*input)).collect();
    let norm = norm.map(|node| lower_norm(l, node, relu, &parts, &x, y));
    if norm.is_none() {
        let kind = |input: NodeId| match () {
            () if l.is_kept(input, linear) => Kind::Fixed,
            () if l.is_timed(input) && !l.is_timed(linear) => Kind::Timed,
            () => Kind::Other,
        };
        let kinds: Vec<Kind> = parts.iter().map(|(input, _)| kind(*input)).collect();
        match kinds.iter().all(|kind| *kind == Kind::Other) {
            false => lower_in_parts(l, &parts, &x, &kinds, y, relu),
            true => lower_products(l, &parts, &x, y, relu),
        }
    }
    let mut scale = 1.0;
    if let (Some(node), true) = (dropout, l.target.training) {
        let Op::Dropout(spec) = l.op(node) else { unreachable!("a dropout") };
        scale = dropout::scale(spec.rate);
        spec.drop(l, node, y, "dropout");
    }
    l.dense.insert(linear, Dense { parts, norm, relu, scale, output, through: None });
}

/// Emits its gradients from that of the output, or from that of the product where a reader has led there.
pub(super) fn differentiate(l: &mut Lowering<'_>, linear: NodeId, dy: At) {
    let layer = l.dense[&linear].clone();
    let Op::Linear(spec) = l.op(linear) else { unreachable!("a layer") };
    let (pace, is_local) = (spec.role.pace(), spec.role == Role::Local);
    let d_product = layer.through.unwrap_or_else(|| lead_through(&layer, l, dy));
    for (input, op) in layer.parts {
        let op = Linear { bias: op.bias, ..op };
        lead_to_input(l, input, op, d_product);
        let x = l.value(input);
        l.emit("linear_update", &[x, d_product], &[], move |c| {
            let (mut op, x, dy) = (of(op, c), c.read(x), c.read(d_product));
            if is_local {
                // The last stream has no loss, and so no share in the gradients.
                op.samples -= op.samples / Streams::IN_TRAINING;
            }
            match c.step.optimiser {
                Some(optimiser) => op.update(&optimiser.paced(pace), c.step.state, x, dy),
                None => op.backward_weights(c.step.gradients, x, dy),
            }
        });
    }
}

/// From the gradient of the output to that of the product, where no reader could do so.
fn lead_through(layer: &Dense, l: &mut Lowering<'_>, dy: At) -> At {
    let len = l.len(layer.output);
    if let Some(norm) = layer.norm {
        let d_product = l.samples(len);
        let Norm { op, product, y, statistics } = norm;
        l.emit("batch_norm_backward", &[dy, y, product, statistics], &[d_product], move |c| {
            let sources = [c.read(dy), c.read(y), c.read(product), c.read(statistics), c.step.state];
            of_batch(op, c).backward(c.write(d_product), c.step.gradients, sources)?;
            c.step.update([op.weight, op.bias])
        });
        return d_product;
    }
    if !layer.relu {
        return dy;
    }
    let (d_product, y, scale) = (l.own(dy, len), l.value(layer.output), layer.scale);
    l.emit("relu_backward", &[y], &[d_product], move |c| {
        Relu { len: c.samples() * len }.backward(c.write(d_product), c.read(y), scale)
    });
    d_product
}

fn lower_norm(l: &mut Lowering<'_>, node: NodeId, relu: bool, parts: &[(NodeId, Linear)], x: &[At], y: At) -> Norm {
    let op = op_of(l, node, relu);
    let len = l.len(node);
    // Kernels that infer normalise a product without storing it.
    let product = if l.target.launched && !l.target.training { l.fixed(1) } else { l.samples(len) };
    let statistics = l.fixed(2 * op.width);
    let norm = Norm { op, product, y, statistics };
    let writes = if l.target.training { vec![product, y, statistics] } else { vec![product, y] };
    let run = move |c: &Context<'_>, products: Run<'_>| {
        let (norm, op) = (&norm, of_batch(norm.op, c));
        if c.is_training() { products.train(&op, norm, c) } else { products.evaluate(&op, norm, c) }
    };
    match (parts, x) {
        (&[(_, first)], &[at]) => l.emit("dense_norm", x, &writes, move |c| {
            run(c, Run::One(Products { products: [of(first, c)] }, [c.read(at)]))
        }),
        (&[(_, first), (_, second)], &[one, two]) => l.emit("dense_norm", x, &writes, move |c| {
            run(c, Run::Two(Products { products: [of(first, c), of(second, c)] }, [c.read(one), c.read(two)]))
        }),
        _ => unreachable!("layers of more inputs are not fused"),
    }
    norm
}

/// The products of one input or of two, which kernels take together.
enum Run<'c> {
    One(Products<1>, [&'c Tensor; 1]),
    Two(Products<2>, [&'c Tensor; 2]),
}

impl Run<'_> {
    fn train(&self, op: &batch_norm::BatchNorm, norm: &Norm, c: &Context<'_>) -> Result<()> {
        match self {
            Self::One(products, x) => products.training(op, c.step.state, norm.saved(c), *x),
            Self::Two(products, x) => products.training(op, c.step.state, norm.saved(c), *x),
        }
    }

    fn evaluate(&self, op: &batch_norm::BatchNorm, norm: &Norm, c: &Context<'_>) -> Result<()> {
        let to = [c.write(norm.product), c.write(norm.y)];
        match self {
            Self::One(products, x) => products.evaluation(op, c.step.state, to, *x),
            Self::Two(products, x) => products.evaluation(op, c.step.state, to, *x),
        }
    }
}

/// y = Σ x_i · weight_i + bias, then ReLU if asked for: the first two inputs together, further ones added.
fn lower_products(l: &mut Lowering<'_>, parts: &[(NodeId, Linear)], x: &[At], y: At, relu: bool) {
    let name = if relu { "dense_relu" } else { "dense" };
    let (&[(_, first), ..], &[at, ..]) = (parts, x) else { unreachable!("a layer has an input") };
    match (parts.get(1), x.get(1)) {
        (Some(&(_, second)), Some(&beside)) => l.emit(name, &[at, beside], &[y], move |c| {
            let layer = Products { products: [of(first, c), of(second, c)] };
            layer.forward(relu, c.write(y), [c.read(at), c.read(beside)], c.step.state)
        }),
        _ => l.emit(name, &[at], &[y], move |c| {
            Products { products: [of(first, c)] }.forward(relu, c.write(y), [c.read(at)], c.step.state)
        }),
    }
    for (&(_, part), &at) in parts.iter().zip(x).skip(2) {
        l.emit("linear", &[at], &[y], move |c| of(part, c).forward(c.write(y), c.read(at), c.step.state));
    }
}

/// What an input of a layer depends on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The sample alone.
    Fixed,
    /// The time alone.
    Timed,
    Other,
}

/// The same where inputs of several kinds meet: the products of what depends on the sample alone are computed once, those of what depends
/// on the time alone for one row, and the others' are added to a copy of their sum for every z.
fn lower_in_parts(l: &mut Lowering<'_>, parts: &[(NodeId, Linear)], x: &[At], kinds: &[Kind], y: At, relu: bool) {
    let (len, bias) = (parts[0].1.samples * parts[0].1.outputs, parts[0].1.bias);
    let mut of_kind = [Kind::Fixed, Kind::Timed, Kind::Other].map(|wanted| {
        let all = parts.iter().zip(x).zip(kinds).filter(|(_, kind)| **kind == wanted);
        all.map(|((part, at), _)| (Linear { bias: None, ..part.1 }, *at)).collect::<Vec<_>>()
    });
    // The product that is computed first brings the bias.
    if let Some((first, _)) = of_kind.iter_mut().flatten().next() {
        first.bias = bias;
    }
    let [fixed, timed, others] = of_kind;
    let has_fixed = !fixed.is_empty();
    if has_fixed {
        let kept = l.samples(len);
        l.fixed_calls(|l| add_products(l, fixed, kept, false, len));
        l.copy(kept, y, len);
    }
    if !timed.is_empty() {
        let row = l.samples(len);
        l.timed_calls(|l| {
            if has_fixed {
                l.zero(row, len);
            }
            add_products(l, timed, row, false, len);
        });
        l.repeat(row, y, len, has_fixed);
    }
    if relu || !others.is_empty() {
        add_products(l, others, y, relu, len);
    }
}

/// Emits `to` += Σ x · weight, or = with the bias where the first product has one; then ReLU if asked for.
fn add_products(l: &mut Lowering<'_>, products: Vec<(Linear, At)>, to: At, relu: bool, len: usize) {
    let reads: Vec<At> = products.iter().map(|(_, at)| *at).collect();
    l.emit(if relu { "linear_relu" } else { "linear" }, &reads, &[to], move |c| {
        let mut each = products.iter();
        each.try_for_each(|(product, at)| of(*product, c).forward(c.write(to), c.read(*at), c.step.state))?;
        if relu { Relu { len: c.samples() * len }.forward(c.write(to)) } else { Ok(()) }
    });
}

/// The share of a product in the gradient of its input: on through the norm or the ReLU that has made the input, where this share is
/// the last; through a sum, too, whose gradient is that of what it adds.
fn lead_to_input(l: &mut Lowering<'_>, input: NodeId, op: Linear, dy: At) {
    if !l.needs(input) {
        return;
    }
    // A reader may take what is normalised in another shape, as the tokens of an image.
    let fits = |norm: &Norm| (norm.op.samples, norm.op.width) == (op.samples, op.inputs);
    if l.target.fused && l.is_last(input) {
        if let Some(before) = l.dense_at(input) {
            let layer = l.dense[&before].clone();
            match layer.norm {
                Some(norm) if fits(&norm) => return lead_to_norm(l, input, before, norm, op, dy),
                Some(_) => {}
                None if layer.relu && !l.has_gradient(input) => return lead_to_relu(l, input, before, op, dy),
                None => {}
            }
        } else if l.is_sum(input) {
            let inputs = l.inputs(input);
            let whole = |l: &Lowering<'_>, node: NodeId| l.is_last(node) && !l.has_gradient(node);
            let found = inputs.iter().position(|node| {
                let norm = l.dense_at(*node).and_then(|layer| l.dense[&layer].norm);
                whole(l, *node) && norm.as_ref().is_some_and(fits)
            });
            if let Some(found) = found {
                let node = inputs[found];
                let before = l.dense_at(node).expect("found");
                let norm = l.dense[&before].norm.expect("found");
                let dx = lead_through_norm(l, input, before, norm, op, dy);
                l.settle(node);
                let others = inputs.into_iter().enumerate().filter(|(index, _)| *index != found);
                l.contribute_to_all(others.map(|(_, node)| node), dx);
                return;
            }
        }
    }
    l.contribute(input, |l, dx| {
        l.emit("linear_backward", &[dy], &[dx], move |c| {
            of(op, c).backward_data(c.write(dx), c.read(dy), c.step.state)
        });
    });
}

fn lead_to_relu(l: &mut Lowering<'_>, input: NodeId, before: NodeId, op: Linear, dy: At) {
    let (dx, y, scale) = (l.samples(l.len(input)), l.value(input), l.dense[&before].scale);
    l.emit("linear_backward_relu", &[dy, y], &[dx], move |c| {
        of(op, c).backward_data_to_relu(c.write(dx), c.read(dy), c.step.state, c.read(y), scale)
    });
    l.settle(input);
    l.dense.get_mut(&before).expect("a layer").through = Some(dx);
}

fn lead_to_norm(l: &mut Lowering<'_>, input: NodeId, before: NodeId, norm: Norm, op: Linear, dy: At) {
    lead_through_norm(l, input, before, norm, op, dy);
}

/// Leads the gradient of `input` on to the product of the layer `before`, and returns where the gradient of `input` itself is.
fn lead_through_norm(l: &mut Lowering<'_>, input: NodeId, before: NodeId, norm: Norm, op: Linear, dy: At) -> At {
    let len = l.len(input);
    let (dx, d_product) = (l.samples(len), l.samples(len));
    let skip = l.take_rest(input);
    let Norm { product, y, statistics, .. } = norm;
    let mut reads = vec![dy, product, y, statistics];
    reads.extend(skip);
    l.emit("linear_backward_norm", &reads, &[dx, d_product], move |c| {
        let to = GradientBuffers { dx: c.write(dx), d_product: c.write(d_product), parameters: c.step.gradients };
        let (layer, batch_norm) = (of(op, c), of_batch(norm.op, c));
        let op = DenseBackward { layer: &layer, norm: &batch_norm };
        op.run(to, c.read(dy), skip.map(|skip| c.read(skip)), norm.saved(c), c.step.state)?;
        c.step.update([norm.op.weight, norm.op.bias])
    });
    l.settle(input);
    l.dense.get_mut(&before).expect("a layer").through = Some(d_product);
    dx
}
