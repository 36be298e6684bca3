//! What back-propagation through the chain puts between blocks.

use super::{Fit, Misfit, Signature, Spec, Tensor, same};
use crate::net::layout::Init;
use crate::net::shape::Shape;

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
    fn tensors(&self, _: &Signature) -> Vec<Tensor> {
        vec![Tensor { name: "share", trained: true, shape: vec![1], init: Init::Constant(START) }]
    }
}
