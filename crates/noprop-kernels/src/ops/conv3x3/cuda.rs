//! Launches of the kernels in `cuda.cu`.

use super::{Conv3x3, Dims};
use crate::cuda::product::{Blocking, Divisor, NO_ROWS, Size, Split, Sums, Tiling, check_size, vector};
use crate::cuda::{Arguments, DeviceRows, Executor, Launch, Multiply, RowsOf, ceil_div};
use crate::error::Result;
use crate::ops::dropout::Dropout;
use crate::ops::dropout::mask::Mask;

#[repr(C)]
#[derive(Clone, Copy)]
struct Conv3x3Arguments {
    x: RowsOf,
    y: RowsOf,
    dy: RowsOf,
    weight: RowsOf,
    bias: RowsOf,
    da: RowsOf,
    destination: RowsOf,
    split: Split,
    dropout: Mask,
    samples: u32,
    height: u32,
    width: u32,
    cin: u32,
    cout: u32,
    pool: u32,
    winners: u32,
    scale: f32,
    windows_of_sample: Divisor,
    windows_of_row: Divisor,
    pixels_of_sample: Divisor,
    pixels_of_row: Divisor,
    conv_of_sample: Divisor,
    conv_of_row: Divisor,
    tap_row: Divisor,
    padded: Divisor,
    fours: Divisor,
    vector_left: u32,
    vector_right: u32,
}

// SAFETY: mirrors the struct in cuda.cu; padding only at the ends of `Split`, `Mask` and the whole.
unsafe impl Arguments for Conv3x3Arguments {
    #[cfg(all(any(test, feature = "testing"), feature = "emulation"))]
    fn in_fours(&self) -> Vec<bool> {
        // da is in words, which are read four at once everywhere; so a direction has one or two flags, see the launches.
        vec![self.vector_left != 0, self.vector_right != 0]
    }
}

/// Rows of a block of threads: of wide kernels, and of narrow ones.
type Rows = (usize, usize);
/// Where rows are pixels.
const PIXELS: Rows = (128, 128);
/// Where they are inputs under a tap.
fn taps(multiply: Multiply) -> Rows {
    if multiply == Multiply::F32 { (64, 64) } else { (128, 64) }
}

/// Blocks of threads of a direction, and the part of the kernel's name that says so: 32 columns where they are enough.
fn blocking(columns: usize, (rows, narrow_rows): Rows) -> (Blocking, &'static str) {
    match columns {
        ..=32 => (Blocking { rows: narrow_rows, columns: 32, threads: 256 }, "_narrow"),
        _ => (Blocking { rows, columns: 64, threads: 256 }, ""),
    }
}

/// Shared memory of the forward kernels: two strides of the factors, then the block's sums in their place.
fn shared_forward(blocking: Blocking) -> usize {
    blocking.shared().max(blocking.rows * (blocking.columns + 8) * size_of::<f32>())
}

/// The arguments that all directions have.
fn arguments(op: &Conv3x3<'_>, on: &Executor<'_>, split: Split) -> Result<Conv3x3Arguments> {
    let Dims { height, width, cin, cout, pool } = op.dims;
    Ok(Conv3x3Arguments {
        x: NO_ROWS,
        y: NO_ROWS,
        dy: NO_ROWS,
        weight: NO_ROWS,
        bias: NO_ROWS,
        da: NO_ROWS,
        destination: NO_ROWS,
        split,
        dropout: Mask::new(None, on)?,
        samples: op.samples as u32,
        height: height as u32,
        width: width as u32,
        cin: cin as u32,
        cout: cout as u32,
        pool: u32::from(pool),
        winners: 0,
        scale: 1.0,
        windows_of_sample: Divisor::new(op.dims.out_height() * op.dims.out_width()),
        windows_of_row: Divisor::new(op.dims.out_width()),
        pixels_of_sample: Divisor::new(height * width),
        pixels_of_row: Divisor::new(width),
        conv_of_sample: Divisor::new(op.dims.conv_height() * op.dims.conv_width()),
        conv_of_row: Divisor::new(op.dims.conv_width()),
        tap_row: Divisor::new(3 * cin),
        padded: Divisor::new(op.dims.padded()),
        fours: Divisor::new(op.dims.padded() / 4),
        vector_left: 0,
        vector_right: 0,
    })
}

fn used_pixels(op: &Conv3x3<'_>) -> usize {
    op.samples * op.dims.conv_height() * op.dims.conv_width()
}

fn check(op: &Conv3x3<'_>) -> Result<()> {
    check_size("conv3x3", &[op.samples * op.dims.input(), op.samples * op.dims.spread(), op.dims.weights()])
}

/// Where the winners begin in a row of y.
fn winners(op: &Conv3x3<'_>, y: DeviceRows) -> usize {
    if op.dims.pool { y.len / 2 } else { 0 }
}

pub(super) fn forward(
    (op, dropout): (&Conv3x3<'_>, Option<&Dropout<'_>>),
    on: &Executor<'_>,
    y: DeviceRows,
    [x, state]: [DeviceRows; 2],
) -> Result<()> {
    check(op)?;
    let Dims { cin, cout, .. } = op.dims;
    let (blocking, narrow) = blocking(cout, PIXELS);
    let tiling = Tiling::whole(blocking, Size { rows: used_pixels(op), columns: cout, depth: 9 * cin });
    let weight = state.from(op.weight.offset);
    on.launch(Launch {
        kernel: &format!("conv3x3_forward{narrow}_{}", on.multiply().suffix()),
        grid: tiling.grid(y.count),
        threads: blocking.threads,
        shared: shared_forward(blocking) as u32,
        arguments: Conv3x3Arguments {
            x: x.rows(),
            y: y.rows(),
            weight,
            bias: state.from(op.bias.offset),
            dropout: Mask::new(dropout, on)?,
            winners: winners(op, y) as u32,
            vector_left: vector(x.rows(), &[cin]),
            vector_right: vector(weight, &[cout]),
            ..arguments(op, on, tiling.split(on, y.count)?)?
        },
    })
}

/// Spreads dy out over the convolution's own output. A thread writes four channels of a window's pixels.
pub(super) fn spread(op: &Conv3x3<'_>, on: &Executor<'_>, da: DeviceRows, [dy, y]: [DeviceRows; 2]) -> Result<()> {
    check(op)?;
    let winners = winners(op, y);
    let windows = op.samples * op.dims.out_height() * op.dims.out_width();
    on.launch(Launch {
        kernel: &format!("conv3x3_spread_{}", on.multiply().suffix()),
        grid: [ceil_div(windows * op.dims.padded() / 4, 256), ceil_div(da.count, 1), 1],
        threads: 256,
        shared: 0,
        arguments: Conv3x3Arguments {
            y: y.rows(),
            dy: dy.rows(),
            da: da.rows(),
            winners: winners as u32,
            vector_left: vector(dy.rows(), &[op.dims.cout]) & vector(y.rows(), &[winners]),
            ..arguments(op, on, Split::default())?
        },
    })
}

pub(super) fn backward_data(
    (op, scale): (&Conv3x3<'_>, f64),
    on: &Executor<'_>,
    dx: DeviceRows,
    [da, state]: [DeviceRows; 2],
) -> Result<()> {
    check(op)?;
    let Dims { height, width, cin, cout, .. } = op.dims;
    let (blocking, narrow) = blocking(cin, PIXELS);
    let size = Size { rows: op.samples * height * width, columns: cin, depth: 9 * op.dims.padded() };
    let tiling = Tiling::whole(blocking, size);
    let weight = state.from(op.weight.offset);
    on.launch(Launch {
        kernel: &format!("conv3x3_backward_data{narrow}_{}", on.multiply().suffix()),
        grid: tiling.grid(dx.count),
        threads: blocking.threads,
        shared: blocking.shared() as u32,
        arguments: Conv3x3Arguments {
            da: da.rows(),
            weight,
            destination: dx.rows(),
            scale: scale as f32,
            vector_right: vector(weight, &[cout]),
            ..arguments(op, on, tiling.split(on, dx.count)?)?
        },
    })
}

pub(super) fn backward_weights(
    (op, scale): (&Conv3x3<'_>, f64),
    on: &Executor<'_>,
    gradients: DeviceRows,
    [x, da]: [DeviceRows; 2],
) -> Result<()> {
    check(op)?;
    let Dims { cin, cout, .. } = op.dims;
    let (blocking, narrow) = blocking(cout, taps(on.multiply()));
    let size = Size { rows: 9 * cin, columns: cout, depth: used_pixels(op) };
    let tiling = Tiling::new(blocking, size, cout);
    let (destination, bias) = (gradients.from(op.weight.offset), gradients.from(op.bias.offset));
    let split = tiling.split(on, gradients.count)?;
    on.launch(Launch {
        kernel: &format!("conv3x3_backward_weights{narrow}_{}", on.multiply().suffix()),
        grid: tiling.grid(gradients.count),
        threads: blocking.threads,
        shared: blocking.shared() as u32,
        arguments: Conv3x3Arguments {
            x: x.rows(),
            da: da.rows(),
            bias,
            destination,
            scale: scale as f32,
            vector_left: vector(x.rows(), &[cin]),
            ..arguments(op, on, split)?
        },
    })?;
    tiling.sum(on, gradients.count, &split, Sums { tail: bias, scale: scale as f32, ..Sums::only(destination, size) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_memory_needs_no_permission_and_windows_stay_in_one_block() {
        for columns in [1, 32, 33, 128] {
            let blocking = blocking(columns, PIXELS).0;
            assert!(shared_forward(blocking) <= 48 * 1024 && shared_forward(blocking) >= blocking.shared());
            assert!(blocking.rows.is_multiple_of(4) && blocking.columns >= columns.min(64));
        }
    }

    #[cfg(feature = "emulation")]
    #[test]
    fn every_kernel_multiplies_in_its_precision() {
        use crate::cuda::product::rounding::{FACTORS, each};
        use crate::ops::conv3x3::Backward;
        use crate::ops::multiply::Precision;
        use crate::ops::testing::{slot, tensor, values};
        use crate::tensor::StopFlag;
        // One output of each sample; one factor a sample, the others 0 or 1; narrow products and wide ones.
        for (cin, cout) in [(1, 2), (33, 33)] {
            let dims = Dims { height: 3, width: 3, cin, cout, pool: false };
            let (weight, bias, stop) = (slot(0, dims.weights()), slot(dims.weights(), cout), StopFlag::new());
            let op = Conv3x3 { dims, samples: 2, weight, bias, stop: &stop, precision: Precision::F32 };
            // At the first channel of the middle, and of the output.
            let at = |width: usize, place: usize| {
                let of = |at: usize| if at % width == place { f64::from(FACTORS[at / width]) } else { 0.0 };
                tensor::<f32>(&(0..2 * width).map(of).collect::<Vec<_>>())
            };
            let (x, dy) = (at(dims.input(), 4 * cin), at(cout, 0));
            let chosen: Vec<f64> = (0..2 * cout).map(|at| f64::from(u8::from(at % cout == at / cout))).collect();
            let chosen = tensor::<f32>(&chosen);
            let state = tensor::<f32>(&[vec![1.0; dims.weights()], vec![0.0; cout]].concat());
            let passes = tensor::<f32>(&vec![1.0; 2 * cout]);
            let backward = |dy| Backward { dy, y: &passes, scale: 1.0 };
            each(|rounded| {
                let rounded = rounded.map(f64::from);
                let (y, dx) = (tensor::<f32>(&vec![0.0; 2 * cout]), tensor::<f32>(&vec![0.0; 2 * dims.input()]));
                let gradients = tensor::<f32>(&vec![0.0; dims.weights() + cout]);
                op.forward(&y, &x, &state, None).unwrap();
                let da = tensor::<f32>(&vec![0.0; 2 * dims.spread()]);
                op.spread(&da, backward(&*dy)).unwrap();
                op.spread_backward_data(&dx, &da, 1.0, &state).unwrap();
                op.spread(&da, backward(&*chosen)).unwrap();
                op.spread_backward_weights(&gradients, &x, &da, 1.0).unwrap();
                for sample in 0..2 {
                    assert_eq!(values(&y)[sample * cout..][..cout], vec![rounded[sample]; cout]);
                    assert_eq!(
                        values(&dx)[sample * dims.input()..][..dims.input()],
                        vec![rounded[sample]; dims.input()]
                    );
                    assert_eq!(values(&gradients)[4 * cin * cout + sample], rounded[sample]);
                }
            });
        }
    }
}
