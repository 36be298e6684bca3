//! The chain of blocks.

use super::check_size;
use crate::error::Result;
use crate::inference::own_values;
use crate::method::{Move, Query, Sampling, Slope};
use crate::model::Model;
use crate::net::Graph;
use crate::net::onnx::Weights;
use crate::onnx::{Builder, Value};
use crate::tensor::StopFlag;
use candle_core::Device;

/// What every block has in common.
pub(super) struct Chain<'a> {
    pub model: &'a Model,
    pub sampling: Sampling,
    pub stop: &'a StopFlag,
    /// The samples.
    pub x: Value,
    /// Number of samples, `[1]`.
    pub samples: String,
}

impl Chain<'_> {
    /// Adds the blocks up to `last`, which begin with the state `z`. Returns the last state, and the values of the method's own tensors.
    pub fn add(&self, to: &mut Builder, mut z: Value, last: usize) -> Result<(Value, Vec<f64>)> {
        let checked = &self.model.checked;
        let graph = checked.method.graph(false)?;
        let mut own = Vec::new();
        for job in 1..=last {
            self.stop.check()?;
            let block = self.model.block(job, &Device::Cpu)?;
            own = own_values(checked, &block)?;
            let values: Vec<f32> = block.flatten_all()?.to_vec1()?;
            let weights = Weights { layout: &checked.layout, values: &values, prefix: format!("blocks.{job:04}") };
            for step in checked.method.chain(job, &own, &self.sampling)? {
                z = self.advance(to, (&graph, &weights), &z, step);
                check_size(to)?;
            }
        }
        Ok((z, own))
    }

    /// The state after a move.
    fn advance(&self, to: &mut Builder, net: (&Graph, &Weights<'_>), z: &Value, step: Move) -> Value {
        let scope = |to: &mut Builder| to.scope = format!("{}/step", net.1.prefix);
        match step {
            Move::Step { query, coefficients } => {
                let output = self.ask(to, net, z, query);
                scope(to);
                // û = skip z + out F, in the sum a û + b z.
                let from_output = coefficients.estimate * query.out;
                let from_state = coefficients.estimate * query.skip + coefficients.state;
                sum(to, &[(from_output, &output), (from_state, z)])
            }
            Move::Heun { from: (query, slope), to: (second, second_slope), step } => {
                let output = self.ask(to, net, z, query);
                scope(to);
                let at = parts(query, slope);
                let ahead = sum(to, &[(step * at[0], &output), (1.0 + step * at[1], z)]);
                let end = self.ask(to, net, &ahead, second);
                scope(to);
                let (half, ends) = (step / 2.0, parts(second, second_slope));
                let terms = [
                    (half * at[0], &output),
                    (1.0 + half * at[1], z),
                    (half * ends[0], &end),
                    (half * ends[1], &ahead),
                ];
                sum(to, &terms)
            }
        }
    }

    /// What the net gives at a state, `[samples, classes]`.
    fn ask(&self, to: &mut Builder, (graph, weights): (&Graph, &Weights<'_>), z: &Value, query: Query) -> Value {
        to.scope = format!("{}/step", weights.prefix);
        // Whoever asks nothing of the state begins with one of 0.
        let scaled = if query.scale == 0.0 { z.clone() } else { sum(to, &[(query.scale, z)]) };
        let mut inputs = vec![self.x.clone(), scaled];
        if graph.form().timed {
            let time = query.time as f32;
            inputs.push(Value { known: Some(time), ..Value::of(to.floats(&[1, 1], &[time]), false) });
        }
        graph.onnx(to, weights, &inputs, &self.samples)
    }
}

/// Factors of the net's output and of the state in the slope at a state.
fn parts(query: Query, slope: Slope) -> [f64; 2] {
    [slope.estimate * query.out, slope.estimate * query.skip + slope.state]
}

/// Σ factor · value. Terms of factor 0 are left out, factors of 1 as well; at least one is another.
fn sum(to: &mut Builder, terms: &[(f64, &Value)]) -> Value {
    let mut whole: Option<String> = None;
    for (factor, value) in terms.iter().filter(|(factor, _)| *factor != 0.0) {
        let term = if *factor == 1.0 {
            value.name.clone()
        } else {
            let factor = to.float(*factor as f32);
            to.op("Mul", &[&value.name, &factor], &[])
        };
        whole = Some(match whole {
            None => term,
            Some(before) => to.op("Add", &[&before, &term], &[]),
        });
    }
    Value::of(whole.unwrap_or_default(), terms.iter().any(|(factor, value)| *factor != 0.0 && value.each))
}
