//! Labels and probabilities of the last states.

use crate::data::Classes;
use crate::method::Readout;
use crate::onnx::{Attribute, Builder, Dim, Port, Type, Value};

/// Adds the outputs.
pub(super) fn add(to: &mut Builder, readout: &Readout, classes: &Classes, z: &Value) {
    to.scope = "readout".to_owned();
    let (scores, probabilities) = match readout {
        Readout::Greatest { alpha_bar } => (z.name.clone(), projected(to, &z.name, *alpha_bar, classes.len())),
        Readout::Head { weight, bias } => {
            let rounded = |values: &[f64]| values.iter().map(|value| *value as f32).collect::<Vec<_>>();
            let weight = to.floats(&[bias.len(), bias.len()], &rounded(weight));
            let bias = to.floats(&[bias.len()], &rounded(bias));
            let product = to.op("MatMul", &[&z.name, &weight], &[]);
            let logits = to.op("Add", &[&product, &bias], &[]);
            let probabilities = to.op("Softmax", &[&logits], &[("axis", Attribute::Int(-1))]);
            (logits, probabilities)
        }
    };
    // Of equal ones the first.
    let first = to.op("ArgMax", &[&scores], &[("axis", Attribute::Int(1)), ("keepdims", Attribute::Int(0))]);
    let (label, about) = match classes {
        Classes::Values(values) => {
            let values: Vec<_> = values.iter().map(|value| i64::from(*value)).collect();
            let values = to.ints(&values);
            (to.op("Gather", &[&values, &first], &[]), "the label of each sample")
        }
        Classes::Names(_) => (first, "the place of each sample's class in the metadata's classes"),
    };
    let samples = Dim::Named("samples");
    let name = to.unique("label");
    to.output(Port { name, kind: Type::Int64, shape: vec![samples], about }, &label);
    let name = to.unique("probabilities");
    let shape = vec![samples, Dim::Of(classes.len())];
    to.output(Port { name, kind: Type::Float, shape, about: "of each class, in their order" }, &probabilities);
}

/// The point of the probability simplex that is nearest to z / √ᾱ: max(v − τ, 0), with v relative to the greatest value, and τ the
/// greatest of (Σ of the j greatest values − 1) / j over all j.
fn projected(to: &mut Builder, z: &str, alpha_bar: f64, classes: usize) -> String {
    let rows = [("axes", Attribute::Ints(&[1])), ("keepdims", Attribute::Int(1))];
    let greatest = to.op("ReduceMax", &[z], &rows);
    let mut v = to.op("Sub", &[z, &greatest], &[]);
    if alpha_bar > 0.0 && alpha_bar != 1.0 {
        let scale = to.float(alpha_bar.sqrt().recip() as f32);
        v = to.op("Mul", &[&v, &scale], &[]);
    }
    let all = to.ints(&[classes as i64]);
    let sorted = to.ops("TopK", &[&v, &all], &[("axis", Attribute::Int(1))], 2).swap_remove(0);
    let (axis, one) = (to.int(1), to.float(1.0));
    let sums = to.op("CumSum", &[&sorted, &axis], &[]);
    let over = to.op("Sub", &[&sums, &one], &[]);
    let counts: Vec<_> = (1..=classes).map(|count| count as f32).collect();
    let counts = to.floats(&[1, classes], &counts);
    let thresholds = to.op("Div", &[&over, &counts], &[]);
    let threshold = to.op("ReduceMax", &[&thresholds], &rows);
    let above = to.op("Sub", &[&v, &threshold], &[]);
    to.op("Relu", &[&above], &[])
}
