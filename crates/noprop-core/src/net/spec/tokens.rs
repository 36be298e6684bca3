//! What transformers need beside layers of tokens: patches, positions, attention, features of a time.

use super::{Fit, Misfit, Signature, Spec, Tensor, check_width, one, one_image};
use crate::net::layout::Init;
use crate::net::shape::Shape;
use crate::onnx::{Attribute, Layer, Type, Value};
use crate::ops::time_features::{features, frequencies};
use serde::{Deserialize, Serialize};

/// An image cut into patches of `size` × `size` pixels, each a token. See [`patches`](crate::ops::patches).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patches {
    /// Height and width of a patch, which height and width of the image are multiples of.
    pub size: usize,
}

/// A learned vector for each token, added to it. See [`positions`](crate::ops::positions).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Positions {}

/// Attention of the tokens to one another; the input holds queries, keys and values side by side. See [`attention`](crate::ops::attention).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attention {
    /// Parts of the width that attend by themselves.
    pub heads: usize,
}

/// Sines and cosines of a time in [0, 1]. See [`time_features`](crate::ops::time_features).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeFeatures {
    /// Number of features, even.
    pub width: usize,
}

impl Spec for Patches {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        let [height, width, channels] = one_image(inputs)?;
        let size = self.size;
        if size == 0 || height % size != 0 || width % size != 0 {
            let misfit = Misfit::new(format!("a size that divides {height} and {width}"), size.to_string());
            return Err(misfit.field("size"));
        }
        Ok(Shape::Tokens { count: (height / size) * (width / size), width: size * size * channels })
    }
    fn onnx(&self, s: &Signature, layer: &mut Layer<'_>) -> Value {
        let (size, x) = (self.size, layer.last(0));
        let [height, width, channels] = s.inputs[0].dims()[..] else { unreachable!("patches are cut from images") };
        let cut = layer.reshape(&x, &[height / size, size, width / size, size, channels]);
        let moved = layer.op("Transpose", &[&cut], &[("perm", Attribute::Ints(&[0, 1, 3, 2, 4, 5]))]);
        let y = layer.reshape(&moved, &s.output.dims());
        layer.value(y, false)
    }
}

impl Spec for Positions {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        one(inputs)
    }
    fn onnx(&self, s: &Signature, layer: &mut Layer<'_>) -> Value {
        let (x, weight) = (layer.last(0), layer.weight("weight", &s.output.dims()));
        let y = layer.op("Add", &[&x, &weight], &[]);
        layer.value(y, false)
    }
    fn tensors(&self, s: &Signature) -> Vec<Tensor> {
        vec![Tensor { name: "weight", trained: true, shape: s.output.dims(), init: Init::FanIn(s.output.width()) }]
    }
}

impl Spec for Attention {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        let Shape::Tokens { count, width } = one(inputs)? else {
            return Err(Misfit::new("tokens [count, 3 * width]", inputs[0].to_string()).field("from"));
        };
        if width % 3 != 0 {
            let misfit =
                Misfit::new("tokens of queries, keys and values: a width that 3 divides", inputs[0].to_string());
            return Err(misfit.field("from"));
        }
        if self.heads == 0 || (width / 3) % self.heads != 0 {
            return Err(
                Misfit::new(format!("a number that divides {}", width / 3), self.heads.to_string()).field("heads")
            );
        }
        Ok(Shape::Tokens { count, width: width / 3 })
    }
    fn onnx(&self, s: &Signature, layer: &mut Layer<'_>) -> Value {
        let (count, width) = (s.output.rows(), s.output.width());
        let depth = width / self.heads;
        let qkv = layer.last(0);
        let parts = layer.to.ops("Split", &[&qkv], &[("axis", Attribute::Int(-1))], 3);
        // [samples, tokens, width] as [samples, heads, …]; the keys as they are multiplied.
        let mut heads = |part: usize, order: [i64; 4]| {
            let split = layer.reshape(&parts[part], &[count, self.heads, depth]);
            layer.op("Transpose", &[&split], &[("perm", Attribute::Ints(&order))])
        };
        let (q, k, v) = (heads(0, [0, 2, 1, 3]), heads(1, [0, 2, 3, 1]), heads(2, [0, 2, 1, 3]));
        let root = layer.to.float((depth as f64).sqrt() as f32);
        let scores = layer.op("MatMul", &[&q, &k], &[]);
        let scores = layer.op("Div", &[&scores, &root], &[]);
        let shares = layer.op("Softmax", &[&scores], &[("axis", Attribute::Int(-1))]);
        let mixed = layer.op("MatMul", &[&shares, &v], &[]);
        let back = layer.op("Transpose", &[&mixed], &[("perm", Attribute::Ints(&[0, 2, 1, 3]))]);
        let y = layer.reshape(&back, &[count, width]);
        layer.value(y, false)
    }
    fn multiply_adds(&self, s: &Signature) -> Vec<usize> {
        vec![2 * s.output.rows() * s.output.len()]
    }
}

impl Spec for TimeFeatures {
    fn output(&self, inputs: &[Shape], _: usize) -> Fit {
        check_width(self.width, "width")?;
        if !self.width.is_multiple_of(2) {
            return Err(Misfit::new("an even number", self.width.to_string()).field("width"));
        }
        match one(inputs)? {
            Shape::Vector(1) => Ok(Shape::Vector(self.width)),
            other => Err(Misfit::new("a vector [1], a time", other.to_string()).field("from")),
        }
    }
    /// Of a time that is known, constants. Else in double precision, as angles reach 1,000.
    fn onnx(&self, _: &Signature, layer: &mut Layer<'_>) -> Value {
        if let Some(time) = layer.inputs[0].known {
            let values: Vec<_> = features(f64::from(time), self.width).map(|value| value as f32).collect();
            return Value::of(layer.to.floats(&[1, self.width], &values), false);
        }
        let time = layer.last(0);
        let frequencies: Vec<_> = frequencies(self.width).collect();
        let frequencies = layer.to.doubles(&[1, self.width / 2], &frequencies);
        let time = layer.op("Cast", &[&time], &[("to", Attribute::Int(Type::Double as i64))]);
        let angles = layer.op("Mul", &[&time, &frequencies], &[]);
        let [cosines, sines] = ["Cos", "Sin"].map(|op| layer.op(op, &[&angles], &[]));
        let y = layer.op("Concat", &[&cosines, &sines], &[("axis", Attribute::Int(-1))]);
        let y = layer.op("Cast", &[&y], &[("to", Attribute::Int(Type::Float as i64))]);
        layer.value(y, false)
    }
}
