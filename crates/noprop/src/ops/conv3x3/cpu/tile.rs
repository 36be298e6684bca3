//! The register tile that the three directions share, and the panels it reads.

use pulp::Simd;

/// Rows of a register tile: as many as leave room for two vectors and a broadcast.
#[inline(always)]
pub(super) const fn most_rows<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 { 13 } else { 6 }
}

/// Ends the compilation of tiles that no caller asks for on this instruction set.
#[inline(always)]
pub(super) fn assert_rows<S: Simd, const P: usize>() {
    assert!(P <= most_rows::<S>());
}

/// Calls `$kernel::<S, …, P>` with the compile-time `P` that equals `$rows`.
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
pub(super) type Tile<S, const P: usize> = [[<S as Simd>::f32s; 2]; P];

/// Adds `Σ_{k < depth} a[p · a_stride + k] · b[k · 2 vectors]` to the rows `LOW..HIGH` of the tile.
///
/// # Safety
/// `a` must be readable at `p · a_stride + k` for every p in `LOW..HIGH` and k < depth, `b` for `depth` × 2 vectors.
#[inline(always)]
pub(super) unsafe fn accumulate<S: Simd, const P: usize>(
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
pub(super) unsafe fn load2<S: Simd>(_: S, from: *const f32) -> (S::f32s, S::f32s) {
    // SAFETY: by contract; unaligned reads of plain data.
    unsafe { (from.cast::<S::f32s>().read_unaligned(), from.add(S::F32_LANES).cast::<S::f32s>().read_unaligned()) }
}

/// Stores the first `channels` values of each row of a tile at `to + p · stride`.
///
/// # Safety
/// `to` must be writable for `channels` values at every row.
#[inline(always)]
pub(super) unsafe fn store<S: Simd, const P: usize>(
    simd: S,
    tile: &Tile<S, P>,
    to: *mut f32,
    stride: usize,
    channels: usize,
) {
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
pub(super) fn pack<S: Simd>(
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

pub(super) const fn packed_len<S: Simd>(rows: usize, columns: usize) -> usize {
    let panel = 2 * S::F32_LANES;
    columns.div_ceil(panel) * panel * rows
}

pub(super) use tile;
