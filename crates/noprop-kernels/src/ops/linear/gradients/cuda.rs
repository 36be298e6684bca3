//! Launches of the kernels in `cuda.cu`, the gradients. The forward pass is that of `fused_forward`.

use crate::cuda::product::{NO_ROWS, Size, Split, Sums, Tiling, check_size, vector};
use crate::cuda::{Arguments, DeviceRows, Executor, Launch, RowsOf};
use crate::error::Result;
use crate::ops::linear::Linear;
use crate::ops::linear::tiles::blocking;

#[repr(C)]
#[derive(Clone, Copy)]
struct LinearArguments {
    destination: RowsOf,
    bias: RowsOf,
    gate: RowsOf,
    left: RowsOf,
    right: RowsOf,
    split: Split,
    samples: u32,
    inputs: u32,
    outputs: u32,
    vector_left: u32,
    vector_right: u32,
    scale: f32,
}

// SAFETY: mirrors the struct in cuda.cu; padding only behind the last field of `Split`.
unsafe impl Arguments for LinearArguments {
    #[cfg(all(any(test, feature = "testing"), feature = "emulation"))]
    fn in_fours(&self) -> Vec<bool> {
        vec![self.vector_left != 0, self.vector_right != 0]
    }
}

/// A factor: its rows, and how far apart its lines lie in memory.
type Factor = (RowsOf, usize);

/// One direction: c = left · right, `[rows, columns]`.
fn product(
    (name, op): (&str, &Linear),
    on: &Executor<'_>,
    (blocks, size): (usize, Size),
    (left, right): (Factor, Factor),
    to: Sums,
) -> Result<()> {
    let Size { rows, columns, depth } = size;
    check_size(name, &[rows * columns, rows * depth, columns * depth])?;
    let (blocking, narrow) = blocking(columns);
    let sums_of_columns = to.tail != NO_ROWS;
    let tiling = Tiling::new(blocking, size, if sums_of_columns { columns } else { 0 });
    let split = tiling.split(on, blocks)?;
    on.launch(Launch {
        kernel: &format!("{name}{narrow}_{}", on.multiply().suffix()),
        grid: tiling.grid(blocks),
        threads: blocking.threads,
        shared: blocking.shared() as u32,
        arguments: LinearArguments {
            destination: to.destination,
            bias: to.tail,
            gate: to.gate,
            left: left.0,
            right: right.0,
            split,
            samples: op.samples as u32,
            inputs: op.inputs as u32,
            outputs: op.outputs as u32,
            vector_left: vector(left.0, &[left.1]),
            vector_right: vector(right.0, &[right.1]),
            scale: to.scale,
        },
    })?;
    tiling.sum(on, blocks, &split, to)
}

/// With the x that a ReLU has made, the gradient goes through it, times `scale`.
pub(super) fn backward_data(
    op: &Linear,
    on: &Executor<'_>,
    dx: DeviceRows,
    [dy, state]: [DeviceRows; 2],
    (x, scale): (Option<DeviceRows>, f64),
) -> Result<()> {
    let size = Size { rows: op.samples, columns: op.inputs, depth: op.outputs };
    let factors = ((dy.rows(), op.outputs), (state.from(op.weight.offset), op.outputs));
    let gate = x.map_or(NO_ROWS, |x| x.rows());
    let to = Sums { gate, scale: scale as f32, ..Sums::only(dx.rows(), size) };
    product(("linear_backward_data", op), on, (dx.count, size), factors, to)
}

pub(super) fn backward_weights(
    op: &Linear,
    on: &Executor<'_>,
    gradients: DeviceRows,
    [x, dy]: [DeviceRows; 2],
) -> Result<()> {
    let size = Size { rows: op.inputs, columns: op.outputs, depth: op.samples };
    let factors = ((x.rows(), op.inputs), (dy.rows(), op.outputs));
    let tail = op.bias.map_or(NO_ROWS, |bias| gradients.from(bias.offset));
    let to = Sums { tail, ..Sums::only(gradients.from(op.weight.offset), size) };
    product(("linear_backward_weights", op), on, (gradients.count, size), factors, to)
}

#[cfg(all(test, feature = "emulation"))]
mod tests {
    use super::*;
    use crate::ops::multiply::Precision;

    /// y, dx and gradients of each of the blocks, whose values are functions of the block.
    fn train(blocks: &[usize]) -> [Vec<Vec<f32>>; 3] {
        use crate::cuda::{Context, Multiply};
        use crate::rng::{Purpose, Stream};
        use crate::tensor::{Buffer, Slot};
        use candle_core::{Device, Tensor};
        // Deep enough that forward and weights are split.
        let (samples, inputs, outputs) = (520, 530, 20);
        let weight = Slot { offset: 0, len: inputs * outputs };
        let bias = Some(Slot { offset: weight.len, len: outputs });
        let op = Linear { samples, inputs, outputs, weight, bias, precision: Precision::F32 };
        let buffer = |purpose, len: usize| {
            let value = |at: usize| {
                let stream = Stream::new(1, purpose, blocks[at / len], 0, 0);
                stream.normal((at % len) as u32) as f32
            };
            let values: Vec<f32> = (0..blocks.len() * len).map(value).collect();
            Buffer::new(Tensor::from_vec(values, (blocks.len(), len), &Device::Cpu).unwrap()).unwrap()
        };
        let state = buffer(Purpose::Init, weight.len + outputs);
        let gradients = buffer(Purpose::Init, weight.len + outputs);
        let (x, dx) = (buffer(Purpose::LabelNoise, samples * inputs), buffer(Purpose::Order, samples * inputs));
        let (y, dy) = (buffer(Purpose::Order, samples * outputs), buffer(Purpose::InitialState, samples * outputs));
        let context = Context { multiply: Multiply::Bf16, emulate: true, ..Context::current() };
        context.run(|| {
            op.forward(&y, &x, &state).unwrap();
            op.backward_data(&dx, &dy, &state).unwrap();
            op.backward_weights(&gradients, &x, &dy).unwrap();
        });
        [y, dx, gradients].map(|tensor| tensor.to_vec2().unwrap())
    }

    #[test]
    fn a_block_does_not_depend_on_those_beside_it() {
        let together = train(&[4, 9, 2]);
        for (row, block) in [4, 9, 2].into_iter().enumerate() {
            for (together, alone) in together.iter().zip(train(&[block])) {
                assert!(together[row] == alone[0], "block {block}");
            }
        }
    }

    #[test]
    fn every_kernel_multiplies_in_its_precision() {
        use crate::cuda::product::rounding::{FACTORS, each};
        use crate::ops::testing::{slot, tensor, values};
        // One factor a sample, the others 0 or 1; narrow products and wide ones.
        for (inputs, outputs) in [(1, 2), (17, 17)] {
            let weight = slot(0, inputs * outputs);
            let op = Linear { samples: 2, inputs, outputs, weight, bias: None, precision: Precision::F32 };
            let first = |width: usize| {
                let of = |at: usize| if at.is_multiple_of(width) { f64::from(FACTORS[at / width]) } else { 0.0 };
                tensor::<f32>(&(0..2 * width).map(of).collect::<Vec<_>>())
            };
            let (x, dy, ones) = (first(inputs), first(outputs), tensor::<f32>(&vec![1.0; inputs * outputs]));
            let chosen: Vec<f64> =
                (0..2 * outputs).map(|at| f64::from(u8::from(at % outputs == at / outputs))).collect();
            each(|rounded| {
                let rounded = rounded.map(f64::from);
                let (y, dx) = (tensor::<f32>(&vec![0.0; 2 * outputs]), tensor::<f32>(&vec![0.0; 2 * inputs]));
                let gradients = tensor::<f32>(&vec![0.0; inputs * outputs]);
                op.forward(&y, &x, &ones).unwrap();
                op.backward_data(&dx, &dy, &ones).unwrap();
                op.backward_weights(&gradients, &x, &tensor::<f32>(&chosen)).unwrap();
                for sample in 0..2 {
                    assert_eq!(values(&y)[sample * outputs..][..outputs], vec![rounded[sample]; outputs]);
                    assert_eq!(values(&dx)[sample * inputs..][..inputs], vec![rounded[sample]; inputs]);
                    assert_eq!(values(&gradients)[sample], rounded[sample]);
                }
            });
        }
    }
}
