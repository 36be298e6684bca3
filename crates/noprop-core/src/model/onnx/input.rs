//! What a caller gives: samples as they are before any preprocessing, and the noise that the chain begins with.

use super::{InputKind, OnnxOptions};
use crate::config::ModelConfig;
use crate::data::{ColumnSteps, Preprocessing, TableSteps};
use crate::diffusion::initial_state;
use crate::error::{Code, Error, Result};
use crate::net::shape::Shape;
use crate::onnx::{Attribute, Builder, Dim, Port, Type, Value};
use crate::rng::{Purpose, Stream};

/// The samples' number, as a dimension.
const SAMPLES: Dim = Dim::Named("samples");

/// The samples as the net sees them, and their number `[1]`.
///
/// # Errors
/// [`Code::Option`] for a kind of values that the model does not take.
pub(super) fn x(to: &mut Builder, config: &ModelConfig, options: &OnnxOptions) -> Result<(Value, String)> {
    to.scope = "input".to_owned();
    if let Some(Preprocessing::Table(table)) = &config.preprocessing {
        if let Some(kind) = options.input {
            return Err(Error::new(Code::Option, "option input does not apply to a model of a table")
                .expected("no input: its columns are numbers or texts")
                .received(format!("{kind:?}").to_lowercase()));
        }
        return Ok(columns(to, table));
    }
    let dims = Shape::from(config.input).dims();
    let kind = options.input.unwrap_or(if dims.len() > 1 { InputKind::Uint8 } else { InputKind::Float32 });
    let name = to.unique("x");
    let shape = std::iter::once(SAMPLES).chain(dims.into_iter().map(Dim::Of)).collect();
    let (about, kind) = match kind {
        InputKind::Uint8 => ("samples as bytes from 0 to 255; images row by row, their channels last", Type::Uint8),
        InputKind::Float32 => {
            ("samples as numbers, as in training; images row by row, their channels last", Type::Float)
        }
    };
    to.input(Port { name: name.clone(), kind, shape, about }, None);
    let samples = count(to, &name);
    if kind == Type::Float {
        return Ok((Value::of(name, true), samples));
    }
    let whole = to.float(255.0);
    let x = to.op("Cast", &[&name], &[("to", Attribute::Int(Type::Float as i64))]);
    let x = to.op("Div", &[&x, &whole], &[]);
    Ok((Value::of(x, true), samples))
}

/// Number of rows of a value.
fn count(to: &mut Builder, value: &str) -> String {
    to.op("Shape", &[value], &[("start", Attribute::Int(0)), ("end", Attribute::Int(1))])
}

/// An input `[samples, 1]` a column, under its name.
fn columns(to: &mut Builder, table: &TableSteps) -> (Value, String) {
    let mut parts = Vec::with_capacity(table.columns.len());
    let mut samples = None;
    for column in &table.columns {
        let name = to.unique(if column.name().is_empty() { "column" } else { column.name() });
        let (kind, about) = match column {
            ColumnSteps::Number { .. } => (Type::Double, "a column of numbers; NaN where one is missing"),
            ColumnSteps::Category { .. } => (Type::String, "a column of texts; empty where one is missing"),
        };
        to.input(Port { name: name.clone(), kind, shape: vec![SAMPLES, Dim::Of(1)], about }, None);
        samples.get_or_insert_with(|| count(to, &name));
        parts.push(encoded(to, column, &name));
    }
    let parts: Vec<_> = parts.iter().map(String::as_str).collect();
    let x = to.op("Concat", &parts, &[("axis", Attribute::Int(1))]);
    (Value::of(x, true), samples.unwrap_or_default())
}

/// What the net sees of a column, `[samples, width]`.
fn encoded(to: &mut Builder, column: &ColumnSteps, name: &str) -> String {
    match column {
        // In double precision, as the mean may be far greater than the deviation.
        ColumnSteps::Number { mean, std, .. } => {
            let [mean, std] = [*mean, *std].map(|value| to.doubles(&[], &[value]));
            let centred = to.op("Sub", &[name, &mean], &[]);
            let scaled = to.op("Div", &[&centred, &std], &[]);
            let value = to.op("Cast", &[&scaled], &[("to", Attribute::Int(Type::Float as i64))]);
            let (missing, zero) = (to.op("IsNaN", &[&value], &[]), to.float(0.0));
            to.op("Where", &[&missing, &zero, &value], &[])
        }
        // Texts that training did not see are all 0.
        ColumnSteps::Category { values, .. } => {
            let attributes = [("cats_strings", Attribute::Texts(values)), ("zeros", Attribute::Int(1))];
            let encoded = to.ml("OneHotEncoder", &[name], &attributes);
            let dims = to.ints(&[-1, values.len() as i64]);
            to.op("Reshape", &[&encoded, &dims], &[])
        }
    }
}

/// A state of 0 for each sample, `[samples, width]`: what a net sees that is told nothing of the label.
pub(super) fn zeros(to: &mut Builder, width: usize, samples: &str) -> Value {
    to.scope = "zeros".to_owned();
    let (zeros, width) = (to.floats(&[1, width], &vec![0.0; width]), to.ints(&[width as i64]));
    let shape = to.op("Concat", &[samples, &width], &[("axis", Attribute::Int(0))]);
    Value::of(to.op("Expand", &[&zeros, &shape], &[]), true)
}

/// z_0 of each sample, `[samples, classes]`: what the caller gives, for each sample or for all, or else one draw for all of them.
pub(super) fn noise(to: &mut Builder, classes: usize, seed: u64, samples: &str) -> Value {
    to.scope = "noise".to_owned();
    let name = to.unique("noise");
    let mut start = vec![0.0; classes];
    initial_state(&Stream::of_content(seed, Purpose::InitialState, 0, 0), &mut start);
    let shape = vec![Dim::Named("states"), Dim::Of(classes)];
    let about = "the initial state of each sample, or one for all; may be left out";
    to.input(Port { name: name.clone(), kind: Type::Float, shape, about }, Some((&[1, classes], &start)));
    let width = to.ints(&[classes as i64]);
    let shape = to.op("Concat", &[samples, &width], &[("axis", Attribute::Int(0))]);
    Value::of(to.op("Expand", &[&name, &shape], &[]), true)
}
