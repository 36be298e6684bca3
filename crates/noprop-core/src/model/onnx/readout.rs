//! Labels and probabilities, or numbers, of the last states.

use crate::config::TargetsConfig;
use crate::data::Classes;
use crate::diffusion::ClassVectors;
use crate::method::Readout;
use crate::onnx::{Attribute, Builder, Dim, Port, Type, Value};

/// Adds the numbers: mean + std · z / √ᾱ, in double precision as `predictNumbers` has it.
pub(super) fn numbers(to: &mut Builder, readout: &Readout, targets: &TargetsConfig, z: &Value) {
    to.scope = "readout".to_owned();
    // A state of 1 tells the factor that the readout has.
    let factor = readout.value(&[1.0], 0);
    let scales: Vec<_> = targets.std.iter().map(|std| f64::from(*std) * factor).collect();
    let means: Vec<_> = targets.mean.iter().map(|mean| f64::from(*mean)).collect();
    let [scales, means] = [scales, means].map(|values| to.doubles(&[values.len()], &values));
    let z = to.op("Cast", &[&z.name], &[("to", Attribute::Int(Type::Double as i64))]);
    let scaled = to.op("Mul", &[&z, &scales], &[]);
    let whole = to.op("Add", &[&scaled, &means], &[]);
    let values = to.op("Cast", &[&whole], &[("to", Attribute::Int(Type::Float as i64))]);
    let name = to.unique("values");
    let shape = vec![Dim::Named("samples"), Dim::Of(targets.count)];
    to.output(Port { name, kind: Type::Float, shape, about: "the numbers of each sample" }, &values);
}

/// Adds labels and probabilities.
pub(super) fn classes(to: &mut Builder, readout: &Readout, classes: &Classes, z: &Value) {
    to.scope = "readout".to_owned();
    let (scores, probabilities) = match readout {
        Readout::Nearest { vectors, alpha_bar } if vectors.is_one_hot() => {
            (z.name.clone(), projected(to, &z.name, *alpha_bar, classes.len()))
        }
        Readout::Nearest { vectors, alpha_bar } => {
            let scale = if *alpha_bar > 0.0 { alpha_bar.sqrt().recip() } else { 1.0 };
            let nearness = along(to, &z.name, vectors, scale, |square| -0.5 * (square - 1.0));
            let probabilities = projected(to, &nearness, 1.0, classes.len());
            (nearness, probabilities)
        }
        Readout::Head { weight, bias } => {
            let logits = linear(to, &z.name, weight, bias);
            let probabilities = softmax(to, &logits);
            (logits, probabilities)
        }
        // ln p(y) = −‖ỹ − u_y‖² / 2σ² but for what all classes have in common.
        Readout::Posterior { weight, bias, vectors, sigma } => {
            let logits = linear(to, &z.name, weight, bias);
            let shares = softmax(to, &logits);
            let rows: Vec<_> = (0..vectors.classes()).flat_map(|class| vectors.vector(class)).collect();
            let rows = to.floats(&[vectors.classes(), vectors.width()], &rows);
            let mean = to.op("MatMul", &[&shares, &rows], &[]);
            let precision = sigma.powi(-2);
            let scores = along(to, &mean, vectors, precision, |square| -0.5 * precision * square);
            let probabilities = softmax(to, &scores);
            (scores, probabilities)
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

/// state · weight + bias.
fn linear(to: &mut Builder, state: &str, weight: &[f64], bias: &[f64]) -> String {
    let rounded = |values: &[f64]| values.iter().map(|value| *value as f32).collect::<Vec<_>>();
    let weight = to.floats(&[weight.len() / bias.len(), bias.len()], &rounded(weight));
    let bias = to.floats(&[bias.len()], &rounded(bias));
    let product = to.op("MatMul", &[state, &weight], &[]);
    to.op("Add", &[&product, &bias], &[])
}

/// scale · state · u_k + bias(‖u_k‖²) for every class k.
fn along(to: &mut Builder, state: &str, vectors: &ClassVectors, scale: f64, bias: impl Fn(f64) -> f64) -> String {
    let (classes, width) = (vectors.classes(), vectors.width());
    let places = (0..width).flat_map(|k| (0..classes).map(move |class| (class, k)));
    let weight: Vec<_> = places.map(|(class, k)| scale * vectors.value(class, k)).collect();
    let bias: Vec<_> = (0..classes).map(|class| bias(vectors.square(class))).collect();
    linear(to, state, &weight, &bias)
}

fn softmax(to: &mut Builder, logits: &str) -> String {
    to.op("Softmax", &[logits], &[("axis", Attribute::Int(-1))])
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
