//! What Forward-Forward's net is made of (Hinton 2022). Users' nets cannot name these operations.

use super::{Fit, Misfit, Signature, Spec, Tensor};
use crate::net::layout::Init;
use crate::net::shape::Shape;

/// A sample, the first input, with labels as three tokens of length √width: with every class a little, with the class where the second
/// input is 1, and with the one where it is −1. Outside of training the first alone. A label takes the place of an image's first
/// values, and stands before those of a vector, of which each may count.
#[derive(Debug, Clone, PartialEq)]
pub struct Streams {
    /// Whether all three are made.
    pub training: bool,
}

/// ReLU, then each token scaled to length √width. No gradient goes through it: in training it has a loss of its own, which it begins the
/// gradient of its input with.
///
/// ```text
/// loss = mean over the second and third tokens of −ln σ(±(Σ h² − width))  +  peer · mean (m̄ − m)²
/// ```
///
/// h are the values after the ReLU, and m their running means over the second tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Goodness {
    /// Weight of the peer normalisation.
    pub peer: f64,
}

/// Where the running means begin.
const START: f32 = 0.5;

impl Spec for Streams {
    fn output(&self, inputs: &[Shape], classes: usize) -> Fit {
        let [x, Shape::Vector(_)] = inputs else {
            return Err(Misfit::new("a sample and a vector", format!("{} inputs", inputs.len())).field("from"));
        };
        let width = match x {
            Shape::Vector(len) => len + classes,
            _ if x.len() >= classes => x.len(),
            _ => {
                let expected = format!("images of at least {classes} values, in place of whose first the label stands");
                return Err(
                    Misfit::new(expected, x.to_string()).hint("use larger images, or hand them over as vectors")
                );
            }
        };
        Ok(Shape::Tokens { count: if self.training { 3 } else { 1 }, width })
    }
}

impl Spec for Goodness {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        match inputs {
            [tokens @ Shape::Tokens { .. }] => Ok(*tokens),
            _ => Err(Misfit::new("tokens", format!("{} inputs", inputs.len())).field("from")),
        }
    }
    fn tensors(&self, s: &Signature) -> Vec<Tensor> {
        vec![Tensor { name: "mean", trained: false, shape: vec![s.output.width()], init: Init::Constant(START) }]
    }
}
