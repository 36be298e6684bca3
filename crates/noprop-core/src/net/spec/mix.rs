//! What back-propagation through the chain puts between blocks.

use super::{Fit, Misfit, Signature, Spec, Tensor, same};
use crate::net::layout::Init;
use crate::net::shape::Shape;
use crate::onnx::{Layer, Value};

/// (1 − k) z + k û with a learned k = tanh(w), of the inputs z and û (paper, its baseline). Users' nets cannot name it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mix {}

/// tanh(0.549306) = 0.5. (The paper gives no beginning.)
const START: f32 = 0.549_306;

impl Spec for Mix {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        if inputs.len() != 2 {
            return Err(Misfit::new("two inputs", format!("{} inputs", inputs.len())).field("from"));
        }
        same(inputs)
    }
    fn onnx(&self, _: &Signature, layer: &mut Layer<'_>) -> Value {
        let share = f64::from((layer.tensors)("share").1[0]).tanh();
        let parts = [1.0 - share, share].map(|factor| layer.to.float(factor as f32));
        let [z, estimate] = [0, 1].map(|input| {
            let value = layer.last(input);
            layer.op("Mul", &[&value, &parts[input]], &[])
        });
        let y = layer.op("Add", &[&z, &estimate], &[]);
        layer.value(y, false)
    }
    fn tensors(&self, _: &Signature) -> Vec<Tensor> {
        vec![Tensor { name: "share", trained: true, shape: vec![1], init: Init::Constant(START) }]
    }
}
