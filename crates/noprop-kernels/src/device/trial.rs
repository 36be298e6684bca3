//! The trial of a card: does it do what a run needs of it?

use crate::cuda::gpu::{self, Gpu};
use crate::error::{Code, Error, Result};
use crate::ops::add::Add;
use crate::tensor::Buffer;
use candle_core::Tensor;

/// Whether a card does what a run needs of it: a kernel on values of its memory, launched, then recorded and replayed.
pub(super) fn try_out(ordinal: usize) -> Result<()> {
    let device = gpu::open(ordinal)?;
    let gpu = Gpu::on(&device)?;
    let (y, x) = ([1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [0.5_f32, -1.0, 2.0, 1.0, 0.0, 0.25]);
    let row = |values: &[f32; 6]| -> Result<Buffer> { Buffer::new(Tensor::from_slice(values, (2, 3), &device)?) };
    let (sum, x_there) = (row(&[0.0; 6])?, row(&x)?);
    gpu.write(&sum, &y)?;
    let add = Add { len: 3 };
    add.forward(&sum, &x_there)?;
    // A recording that fails must leave the stream as it was. Somebody else on the card may break one.
    match gpu.record(|| add.forward(&sum, &x_there).and_then(|()| gpu.scratch(1).map(drop))) {
        Err(error) if error.code == Code::Internal => {}
        Ok(None) => {}
        outcome => {
            let outcome = outcome.err().map_or("none".to_owned(), |error| error.to_string());
            return Err(Error::new(Code::Internal, "a recording that takes memory must be refused").received(outcome));
        }
    }
    let add = || add.forward(&sum, &x_there);
    match gpu.record(add)? {
        Some(graph) => [graph.replay()?, graph.replay()?],
        None => [add()?, add()?],
    };
    let mut received = [0.0; 6];
    gpu.read(&sum, &mut received)?;
    // Exact: all values are small multiples of a quarter.
    let expected: Vec<f32> = y.iter().zip(&x).map(|(y, x)| y + 3.0 * x).collect();
    if received[..] == expected {
        return Ok(());
    }
    Err(Error::new(Code::Device, "the GPU calculates wrongly")
        .expected(format!("{expected:?}"))
        .received(format!("{received:?}"))
        .hint("look for faults of its memory: `nvidia-smi -q -d ECC`"))
}
