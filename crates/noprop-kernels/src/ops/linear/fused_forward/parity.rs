//! The kernels against the reference.

use super::{Dense, Saved};
use crate::cuda::parity::{Input, Parity, Values};
use crate::error::Result;
use crate::ops::batch_norm::BatchNorm;
use crate::ops::linear::Linear;
use crate::ops::multiply::Precision;
use crate::tensor::{Buffer, Slot};

/// Of two samples that happen to be near each other: 1 / deviation is up to 1 / √ε = 316, which magnifies roundings.
const TOLERANCE_OF_TWO: f64 = 1e-3;

/// (blocks, samples, widths of the inputs, outputs). The second input may have none.
type Shape = (usize, usize, [usize; 2], usize);

/// One value, two samples, samples around the rows of a tile, widths that are and are not multiples of four, of a tile and of
/// a stride in depth, the greatest depth in one kernel; two inputs that are read in fours, of which only the first is, and
/// neither; products that are narrow, and split in depth; more samples than a tile has rows, of both.
const SHAPES: [Shape; 14] = [
    (1, 1, [1, 0], 1),
    (1, 2, [7, 0], 5),
    (3, 17, [33, 0], 40),
    (10, 3, [10, 0], 32),
    (1, 128, [20, 0], 36),
    (3, 127, [6, 0], 9),
    (1, 4, [512, 0], 33),
    (3, 17, [12, 8], 33),
    (1, 9, [36, 10], 20),
    (1, 5, [7, 6], 16),
    (1, 5, [600, 0], 10),
    (3, 4, [540, 12], 24),
    (1, 129, [20, 0], 36),
    (3, 129, [516, 5], 6),
];

/// Places in a state `[guard | bias | weight | γ | β | running mean | running variance | guard]`, whose weight is aligned to
/// four values if `front` is.
struct Places {
    bias: Slot,
    weight: Slot,
    norm: [Slot; 4],
    len: usize,
}

impl Places {
    fn new(front: usize, depth: usize, outputs: usize) -> Self {
        let bias = Slot { offset: front, len: outputs };
        let weight = Slot { offset: front + outputs.next_multiple_of(4), len: depth * outputs };
        let norm = [0, 1, 2, 3].map(|i| Slot { offset: weight.offset + weight.len + i * outputs, len: outputs });
        Self { bias, weight, norm, len: (norm[3].offset + outputs + 1).next_multiple_of(4) }
    }

    fn product(&self, samples: usize, inputs: usize, before: usize) -> Linear {
        let outputs = self.bias.len;
        let weight = self.weight.part(before * outputs, inputs * outputs);
        let bias = (before == 0).then_some(self.bias);
        Linear { samples, inputs, outputs, weight, bias, precision: Precision::F32 }
    }

    fn norm(&self, samples: usize, relu: bool) -> BatchNorm {
        let [weight, bias, running_mean, running_variance] = self.norm;
        BatchNorm { samples, width: self.bias.len, weight, bias, running_mean, running_variance, relu }
    }
}

/// What a case calls: a layer of two inputs, or of the first alone.
enum Layer {
    One(Dense<1>),
    Two(Dense<2>),
}

impl Layer {
    fn training(&self, norm: &BatchNorm, b: &[Buffer]) -> Result<()> {
        let to = Saved { y: &b[0], product: &b[1], statistics: &b[2] };
        match self {
            Self::One(layer) => layer.training(norm, &b[3], to, [&b[4]]),
            Self::Two(layer) => layer.training(norm, &b[3], to, [&b[4], &b[5]]),
        }
    }

    /// The room lies outside of the case: what is in it is not said.
    fn evaluation(&self, norm: &BatchNorm, b: &[Buffer]) -> Result<()> {
        let room = Buffer::new(b[0].zeros_like()?)?;
        match self {
            Self::One(layer) => layer.evaluation(norm, &b[1], [&room, &b[0]], [&b[2]]),
            Self::Two(layer) => layer.evaluation(norm, &b[1], [&room, &b[0]], [&b[2], &b[3]]),
        }
    }

    fn forward(&self, relu: bool, b: &[Buffer]) -> Result<()> {
        match self {
            Self::One(layer) => layer.forward(relu, &b[0], [&b[2]], &b[1]),
            Self::Two(layer) => layer.forward(relu, &b[0], [&b[2], &b[3]], &b[1]),
        }
    }
}

pub(crate) fn parity(parity: &mut Parity) -> Result<()> {
    for (index, shape) in SHAPES.into_iter().enumerate() {
        // A weight that is aligned to four values and one that is not, with ReLU and without.
        for (front, relu) in [(4, index % 2 == 0), (5, index % 2 == 1)] {
            case(parity, shape, front, relu)?;
        }
    }
    shared_input(parity)
}

fn case(parity: &mut Parity, shape: Shape, front: usize, relu: bool) -> Result<()> {
    let (blocks, samples, widths, outputs) = shape;
    let places = Places::new(front, widths[0] + widths[1], outputs);
    let first = places.product(samples, widths[0], 0);
    let layer = match widths[1] {
        0 => Layer::One(Dense { products: [first] }),
        second => Layer::Two(Dense { products: [first, places.product(samples, second, widths[0])] }),
    };
    let norm = places.norm(samples, relu);
    let with = if relu { " with ReLU" } else { "" };
    let name = |what: &str| format!("dense {what} {shape:?}, weight at {}{with}", places.weight.offset);
    // One sample more than the batch has: what lies behind must stay.
    let activations = |width: usize, values| Input(blocks, (samples + 1) * width, values);
    let y = || activations(outputs, Values::Poison);
    let inputs = widths.map(|width| activations(width.max(1), Values::Normal));
    let (x, beside) = (|| inputs[0].clone(), || inputs[1].clone());
    let state = |values| Input(blocks, places.len, values);

    let tolerance = parity.tolerance();
    let of_training = if samples == 2 { TOLERANCE_OF_TWO } else { tolerance };
    let statistics = Input(blocks, 2 * outputs, Values::Poison);
    let all = [y(), y(), statistics, state(Values::Normal), x(), beside()];
    parity.compare(name("training"), of_training, &all, |b| layer.training(&norm, b))?;
    let all = [y(), state(Values::Positive), x(), beside()];
    parity.compare(name("evaluation"), tolerance, &all, |b| layer.evaluation(&norm, b))?;
    let all = [y(), state(Values::Normal), x(), beside()];
    parity.compare(name("forward"), tolerance, &all, |b| layer.forward(relu, b))
}

/// One x for all blocks and a z for each, as the first layer of an mlp has it.
fn shared_input(parity: &mut Parity) -> Result<()> {
    let tolerance = parity.tolerance();
    let (blocks, samples, [first, second], outputs) = (3, 9, [12, 3], 20);
    let places = Places::new(0, first + second, outputs);
    let layer =
        Layer::Two(Dense { products: [places.product(samples, first, 0), places.product(samples, second, first)] });
    let of = |rows, width, values| Input(rows, samples * width, values);
    let inputs = [
        of(blocks, outputs, Values::Poison),
        Input(blocks, places.len, Values::Normal),
        of(1, first, Values::Normal),
        of(blocks, second, Values::Normal),
    ];
    parity.compare("dense forward, one x for all", tolerance, &inputs, |b| layer.forward(true, b))
}
