//! Direct, register-blocked kernels: no im2col, no padding, one thread.
//!
//! All three directions hold a tile of `P` rows × 2 vectors of channels in registers and walk the summed dimension:
//! each step loads 2 vectors, broadcasts `P` scalars and does `2P` multiply-adds. With 32 registers (AVX-512, NEON)
//! 13 × 2 accumulators + 2 vectors + 1 broadcast fit; with 16 (AVX2) 6 × 2 + 2 + 1. `tile!` picks the compiled `P`.

use super::Dims;
use crate::error::Result;
use crate::ops::simd::{dispatch, split};
use crate::ops::{StopFlag, scratch};
use pulp::{Simd, WithSimd};

/// Samples whose gradients are summed before the weight-gradient tiles go back to memory: their activations and one
/// tile of channels stay in the first-level cache, while loads and stores of the tile stay under 2 % of the work.
const WEIGHT_GRADIENT_SAMPLES: usize = 2;

/// Rows of a register tile: as many as leave room for two vectors and a broadcast.
#[inline(always)]
const fn most_rows<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 { 13 } else { 6 }
}

/// Ends the compilation of tiles that no caller asks for on this instruction set.
#[inline(always)]
fn assert_rows<S: Simd, const P: usize>() {
    assert!(P <= most_rows::<S>());
}

/// Calls `$kernel::<S, P, …>` with the compile-time `P` that equals `$rows`.
macro_rules! tile {
    ($rows:expr, $kernel:ident, [$($before:tt)*], ($($arg:expr),*)) => {
        match $rows {
            1 => $kernel::<$($before)* 1>($($arg),*),
            2 => $kernel::<$($before)* 2>($($arg),*),
            3 => $kernel::<$($before)* 3>($($arg),*),
            4 => $kernel::<$($before)* 4>($($arg),*),
            5 => $kernel::<$($before)* 5>($($arg),*),
            6 => $kernel::<$($before)* 6>($($arg),*),
            7 => $kernel::<$($before)* 7>($($arg),*),
            8 => $kernel::<$($before)* 8>($($arg),*),
            9 => $kernel::<$($before)* 9>($($arg),*),
            10 => $kernel::<$($before)* 10>($($arg),*),
            11 => $kernel::<$($before)* 11>($($arg),*),
            12 => $kernel::<$($before)* 12>($($arg),*),
            13 => $kernel::<$($before)* 13>($($arg),*),
            rows => unreachable!("a tile has 1 to 13 rows, not {rows}"),
        }
    };
}

/// A tile of accumulators: `P` rows × 2 vectors of channels.
type Tile<S, const P: usize> = [[<S as Simd>::f32s; 2]; P];

/// Adds `Σ_{k < depth} a[p · a_stride + k] · b[k · 2 vectors]` to the rows `LOW..HIGH` of the tile.
///
/// # Safety
/// `a` must be readable at `p · a_stride + k` for every p in `LOW..HIGH` and k < depth, `b` for `depth` × 2 vectors.
#[inline(always)]
unsafe fn accumulate<S: Simd, const P: usize>(
    simd: S,
    tile: &mut Tile<S, P>,
    rows: std::ops::Range<usize>,
    (a, a_stride): (*const f32, usize),
    b: *const f32,
    depth: usize,
) {
    for k in 0..depth {
        // SAFETY: the caller vouches for both pointers over the whole depth.
        let (low, high) = unsafe { load2(simd, b.add(k * 2 * S::F32_LANES)) };
        for (p, sums) in tile.iter_mut().enumerate() {
            if rows.start <= p && p < rows.end {
                // SAFETY: as above; the offset stays inside what the caller vouches for.
                let value = simd.splat_f32s(unsafe { *a.wrapping_add(p * a_stride).wrapping_add(k) });
                sums[0] = simd.mul_add_e_f32s(value, low, sums[0]);
                sums[1] = simd.mul_add_e_f32s(value, high, sums[1]);
            }
        }
    }
}

/// # Safety
/// `from` must be readable for two vectors.
#[inline(always)]
unsafe fn load2<S: Simd>(_: S, from: *const f32) -> (S::f32s, S::f32s) {
    // SAFETY: by contract; unaligned reads of plain data.
    unsafe { (from.cast::<S::f32s>().read_unaligned(), from.add(S::F32_LANES).cast::<S::f32s>().read_unaligned()) }
}

/// Stores the first `channels` values of each row of a tile at `to + p · stride`.
///
/// # Safety
/// `to` must be writable for `channels` values at every row.
#[inline(always)]
unsafe fn store<S: Simd, const P: usize>(simd: S, tile: &Tile<S, P>, to: *mut f32, stride: usize, channels: usize) {
    let lanes = S::F32_LANES;
    for (p, [low, high]) in tile.iter().enumerate() {
        // SAFETY: by contract; a full row is two vectors, a short one is written value by value.
        unsafe {
            let to = to.add(p * stride);
            if channels == 2 * lanes {
                to.cast::<S::f32s>().write_unaligned(*low);
                to.add(lanes).cast::<S::f32s>().write_unaligned(*high);
            } else {
                let to = std::slice::from_raw_parts_mut(to, channels);
                simd.partial_store_f32s(&mut to[..channels.min(lanes)], *low);
                if channels > lanes {
                    simd.partial_store_f32s(&mut to[lanes..], *high);
                }
            }
        }
    }
}

/// Packs a matrix `[rows, columns]` into panels of two vectors of columns, `[columns / 2 vectors][rows][2 vectors]`, the
/// last panel filled with zeros. Element `(r, c)` of the matrix is `data[start + c · stride]` with `(start, stride) = place(r)`.
#[inline(always)]
fn pack<S: Simd>(
    packed: &mut [f32],
    (rows, columns): (usize, usize),
    data: &[f32],
    place: impl Fn(usize) -> (usize, usize),
) {
    let panel = 2 * S::F32_LANES;
    for (first, packed) in (0..columns).step_by(panel).zip(packed.chunks_exact_mut(rows * panel)) {
        let used = panel.min(columns - first);
        for (r, row) in packed.chunks_exact_mut(panel).enumerate() {
            let (start, stride) = place(r);
            let data = &data[start + first * stride..];
            if stride == 1 {
                row[..used].copy_from_slice(&data[..used]);
            } else {
                for (value, source) in row[..used].iter_mut().zip(data.iter().step_by(stride)) {
                    *value = *source;
                }
            }
            row[used..].fill(0.0);
        }
    }
}

const fn packed_len<S: Simd>(rows: usize, columns: usize) -> usize {
    let panel = 2 * S::F32_LANES;
    columns.div_ceil(panel) * panel * rows
}

/// See [`super::Conv3x3::forward_relu`]. Tile: `P` pixels of one output row × 2 vectors of `cout`; depth 3 · 3 · `cin`.
pub fn forward_relu(
    dims: &Dims,
    samples: usize,
    stop: &StopFlag,
    y: &mut [f32],
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
) -> Result<()> {
    struct Run<'a>(&'a Dims, usize, &'a StopFlag, &'a mut [f32], &'a [f32], &'a [f32], &'a [f32]);
    impl WithSimd for Run<'_> {
        type Output = Result<()>;
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Result<()> {
            let Run(d, samples, stop, y, x, weight, bias) = self;
            let panel = 2 * S::F32_LANES;
            let depth = 9 * d.cin;
            let mut scratch = scratch::take(packed_len::<S>(1 + depth, d.cout));
            let (first_row, packed) = scratch.split_at_mut(packed_len::<S>(1, d.cout));
            pack::<S>(first_row, (1, d.cout), bias, |_| (0, 1));
            pack::<S>(packed, (depth, d.cout), weight, |r| (r * d.cout, 1));
            for (x, y) in x.chunks_exact(d.input()).zip(y.chunks_exact_mut(d.output())).take(samples) {
                stop.check()?;
                for (part, packed) in packed.chunks_exact(depth * panel).enumerate() {
                    let bias = &first_row[part * panel..(part + 1) * panel];
                    for row in 0..d.out_height() {
                        forward_row(simd, d, (row, part * panel), y, x, (bias, packed));
                    }
                }
            }
            Ok(())
        }
    }
    dispatch(Run(dims, samples, stop, y, x, weight, bias))
}

/// The packed bias and weights of one panel of output channels.
type Packed<'a> = (&'a [f32], &'a [f32]);

#[inline(always)]
fn forward_row<S: Simd>(simd: S, d: &Dims, (row, first): (usize, usize), y: &mut [f32], x: &[f32], packed: Packed<'_>) {
    let most = most_rows::<S>();
    let channels = (d.cout - first).min(2 * S::F32_LANES);
    for part in 0..d.out_width().div_ceil(most) {
        let (from, to) = (split(d.out_width(), most, part), split(d.out_width(), most, part + 1));
        let x = &x[(row * d.width + from) * d.cin..];
        let y = &mut y[(row * d.out_width() + from) * d.cout + first..];
        tile!(to - from, forward_tile, [S,], (simd, d, y, x, packed, channels))
    }
}

#[inline(always)]
fn forward_tile<S: Simd, const P: usize>(
    simd: S,
    d: &Dims,
    y: &mut [f32],
    x: &[f32],
    (bias, weight): Packed<'_>,
    channels: usize,
) {
    assert_rows::<S, P>();
    let panel = 2 * S::F32_LANES;
    assert!(x.len() >= (2 * d.width + P + 2) * d.cin && y.len() >= (P - 1) * d.cout + channels);
    assert!(bias.len() >= panel && weight.len() >= 9 * d.cin * panel);
    // SAFETY: the asserts above bound the last element that each pointer reaches.
    unsafe {
        let (low, high) = load2(simd, bias.as_ptr());
        let mut tile: Tile<S, P> = [[low, high]; P];
        for i in 0..3 {
            // The three taps of a row lie side by side in x, so one walk covers them.
            let a = x.as_ptr().add(i * d.width * d.cin);
            let b = weight.as_ptr().add(i * 3 * d.cin * panel);
            accumulate(simd, &mut tile, 0..P, (a, d.cin), b, 3 * d.cin);
        }
        let zero = simd.splat_f32s(0.0);
        for row in &mut tile {
            *row = row.map(|value| simd.max_f32s(value, zero));
        }
        store(simd, &tile, y.as_mut_ptr(), d.cout, channels);
    }
}

/// See [`super::Conv3x3::backward_data`]. Tile: `P` pixels of one input row × 2 vectors of `cin`; depth 3 · 3 · `cout`.
/// Taps that would leave dy are left out, so borders cost nothing.
pub fn backward_data(
    dims: &Dims,
    samples: usize,
    stop: &StopFlag,
    dx: &mut [f32],
    dy: &[f32],
    weight: &[f32],
) -> Result<()> {
    struct Run<'a>(&'a Dims, usize, &'a StopFlag, &'a mut [f32], &'a [f32], &'a [f32]);
    impl WithSimd for Run<'_> {
        type Output = Result<()>;
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Result<()> {
            let Run(d, samples, stop, dx, dy, weight) = self;
            let panel = 2 * S::F32_LANES;
            let depth = 9 * d.cout;
            let mut packed = scratch::take(packed_len::<S>(depth, d.cin));
            let packed = &mut *packed;
            // Row (tap, o), column k.
            pack::<S>(packed, (depth, d.cin), weight, |r| (r / d.cout * d.cin * d.cout + r % d.cout, d.cout));
            for (dx, dy) in dx.chunks_exact_mut(d.input()).zip(dy.chunks_exact(d.output())).take(samples) {
                stop.check()?;
                for (first, packed) in (0..d.cin).step_by(panel).zip(packed.chunks_exact(depth * panel)) {
                    for row in 0..d.height {
                        backward_row(simd, d, row, first, dx, dy, packed);
                    }
                }
            }
            Ok(())
        }
    }
    dispatch(Run(dims, samples, stop, dx, dy, weight))
}

#[inline(always)]
fn backward_row<S: Simd>(simd: S, d: &Dims, row: usize, first: usize, dx: &mut [f32], dy: &[f32], packed: &[f32]) {
    let most = most_rows::<S>();
    let parts = d.width.div_ceil(most);
    for part in 0..parts {
        let (from, to) = (split(d.width, most, part), split(d.width, most, part + 1));
        let dx = &mut dx[(row * d.width + from) * d.cin + first..];
        let channels = (d.cin - first).min(2 * S::F32_LANES);
        let args = BackwardTile { d, row, from, channels };
        match (part == 0, part + 1 == parts) {
            (true, true) => tile!(to - from, backward_tile, [S, true, true,], (simd, args, dx, dy, packed)),
            (true, false) => tile!(to - from, backward_tile, [S, true, false,], (simd, args, dx, dy, packed)),
            (false, true) => tile!(to - from, backward_tile, [S, false, true,], (simd, args, dx, dy, packed)),
            (false, false) => tile!(to - from, backward_tile, [S, false, false,], (simd, args, dx, dy, packed)),
        }
    }
}

struct BackwardTile<'a> {
    d: &'a Dims,
    row: usize,
    from: usize,
    channels: usize,
}

/// `LEFT` and `RIGHT` say whether the tile begins or ends the row; there tap j reaches only the pixels p ≥ j, or p < P − 2 + j.
#[inline(always)]
fn backward_tile<S: Simd, const LEFT: bool, const RIGHT: bool, const P: usize>(
    simd: S,
    args: BackwardTile<'_>,
    dx: &mut [f32],
    dy: &[f32],
    packed: &[f32],
) {
    assert_rows::<S, P>();
    let BackwardTile { d, row, from, channels } = args;
    let panel = 2 * S::F32_LANES;
    // A part of a split row has at least 4 pixels, a whole row at least 3, so the two outermost belong to this tile.
    assert!(
        if LEFT { from == 0 } else { from >= 2 } && if RIGHT { from + P == d.width } else { from + P + 2 <= d.width }
    );
    assert!(dy.len() == d.output() && packed.len() >= 9 * d.cout * panel && dx.len() >= (P - 1) * d.cin + channels);
    let mut tile: Tile<S, P> = [[simd.splat_f32s(0.0); 2]; P];
    for i in 0..3 {
        let Some(dy_row) = row.checked_sub(i).filter(|dy_row| *dy_row < d.out_height()) else { continue };
        let dy = dy[dy_row * d.out_width() * d.cout..].as_ptr();
        // Pixel p of the tile takes tap j from column from + p − j of dy.
        let column = |j: usize| dy.wrapping_add(from * d.cout).wrapping_sub(j * d.cout);
        let tap = |j: usize| packed[(i * 3 + j) * d.cout * panel..].as_ptr();
        // SAFETY: the row bounds above and the ranges below keep every column inside 0..out_width; depth is cout values
        // of one pixel; each tap's panel has cout rows.
        unsafe {
            let end = |j: usize| if RIGHT { P - 2 + j } else { P };
            accumulate(simd, &mut tile, 0..end(0), (column(0), d.cout), tap(0), d.cout);
            accumulate(simd, &mut tile, LEFT as usize..end(1), (column(1), d.cout), tap(1), d.cout);
            accumulate(simd, &mut tile, 2 * LEFT as usize..end(2), (column(2), d.cout), tap(2), d.cout);
        }
    }
    // SAFETY: asserted above.
    unsafe { store(simd, &tile, dx.as_mut_ptr(), d.cin, channels) }
}

/// See [`super::Conv3x3::backward_weights`]. Tile: `P` of the 3 · `cin` weights of a tap row × 2 vectors of `cout`, summed
/// over the pixels of two samples at a time, samples in order.
pub fn backward_weights(
    dims: &Dims,
    samples: usize,
    stop: &StopFlag,
    dw: &mut [f32],
    x: &[f32],
    dy: &[f32],
) -> Result<()> {
    struct Run<'a>(&'a Dims, usize, &'a StopFlag, &'a mut [f32], &'a [f32], &'a [f32]);
    impl WithSimd for Run<'_> {
        type Output = Result<()>;
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Result<()> {
            let Run(d, samples, stop, dw, x, dy) = self;
            let panel = 2 * S::F32_LANES;
            let columns = d.cout.next_multiple_of(panel);
            let pixels = WEIGHT_GRADIENT_SAMPLES * d.out_height() * d.out_width();
            let mut scratch = scratch::take(columns * 9 * d.cin + pixels * panel);
            // Sums as panels of two vectors of cout: [cout / 2 vectors][9 · cin][2 vectors].
            let (sums, dy_panel) = scratch.split_at_mut(columns * 9 * d.cin);
            sums.fill(0.0);
            for begin in (0..samples).step_by(WEIGHT_GRADIENT_SAMPLES) {
                stop.check()?;
                let count = WEIGHT_GRADIENT_SAMPLES.min(samples - begin);
                let x = &x[begin * d.input()..(begin + count) * d.input()];
                let dy = &dy[begin * d.output()..(begin + count) * d.output()];
                for (first, sums) in (0..d.cout).step_by(panel).zip(sums.chunks_exact_mut(9 * d.cin * panel)) {
                    let dy = if d.cout == panel {
                        dy
                    } else {
                        let rows = dy.len() / d.cout;
                        let used = (d.cout - first).min(panel);
                        pack::<S>(&mut dy_panel[..rows * panel], (rows, used), dy, |r| (r * d.cout + first, 1));
                        &*dy_panel
                    };
                    for i in 0..3 {
                        weight_gradient_rows(simd, d, i, count, sums, x, dy);
                    }
                }
            }
            for (first, sums) in (0..d.cout).step_by(panel).zip(sums.chunks_exact(9 * d.cin * panel)) {
                let channels = (d.cout - first).min(panel);
                for (sums, dw) in sums.chunks_exact(panel).zip(dw.chunks_exact_mut(d.cout)) {
                    dw[first..first + channels].copy_from_slice(&sums[..channels]);
                }
            }
            Ok(())
        }
    }
    dispatch(Run(dims, samples, stop, dw, x, dy))
}

#[inline(always)]
fn weight_gradient_rows<S: Simd>(simd: S, d: &Dims, i: usize, count: usize, sums: &mut [f32], x: &[f32], dy: &[f32]) {
    let most = most_rows::<S>();
    let panel = 2 * S::F32_LANES;
    let weights = 3 * d.cin;
    for part in 0..weights.div_ceil(most) {
        let (from, to) = (split(weights, most, part), split(weights, most, part + 1));
        let sums = &mut sums[(i * weights + from) * panel..(i * weights + to) * panel];
        tile!(to - from, weight_gradient_tile, [S,], (simd, d, (i, from, count), sums, x, dy))
    }
}

#[inline(always)]
fn weight_gradient_tile<S: Simd, const P: usize>(
    simd: S,
    d: &Dims,
    (i, from, count): (usize, usize, usize),
    sums: &mut [f32],
    x: &[f32],
    dy: &[f32],
) {
    assert_rows::<S, P>();
    let panel = 2 * S::F32_LANES;
    let (rows, columns) = (d.out_height(), d.out_width());
    assert!(x.len() == count * d.input() && dy.len() >= count * rows * columns * panel);
    assert!(sums.len() == P * panel && from + P <= 3 * d.cin && i < 3);
    // SAFETY: the asserts above bound every pointer: row + i < height, and the last value read of a row of x is
    // (columns − 1) · cin + from + P − 1 < (columns + 2) · cin = width · cin.
    unsafe {
        let mut tile: Tile<S, P> = [[simd.splat_f32s(0.0); 2]; P];
        for (p, row) in tile.iter_mut().enumerate() {
            *row = load2(simd, sums.as_ptr().add(p * panel)).into();
        }
        for sample in 0..count {
            for row in 0..rows {
                let x = x.as_ptr().add(sample * d.input() + (row + i) * d.width * d.cin + from);
                let dy = dy.as_ptr().add((sample * rows + row) * columns * panel);
                for column in 0..columns {
                    let (low, high) = load2(simd, dy.add(column * panel));
                    let x = x.add(column * d.cin);
                    for (p, sums) in tile.iter_mut().enumerate() {
                        let value = simd.splat_f32s(*x.add(p));
                        sums[0] = simd.mul_add_e_f32s(value, low, sums[0]);
                        sums[1] = simd.mul_add_e_f32s(value, high, sums[1]);
                    }
                }
            }
        }
        store(simd, &tile, sums.as_mut_ptr(), panel, panel);
    }
}

/// db = Σ dy over samples and pixels, in order.
pub fn backward_bias(dims: &Dims, samples: usize, db: &mut [f32], dy: &[f32]) {
    crate::ops::linear::cpu::sum_rows(db, &dy[..samples * dims.output()]);
}
