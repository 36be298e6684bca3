//! The register tile that products and convolutions share.
//!
//! A tile is `P` rows × 2 vectors of columns, held in registers while the kernel walks the summed dimension: each step loads
//! 2 vectors of `b`, broadcasts `P` units of `a` and does `2P` multiply-adds. With 32 registers (AVX-512, NEON)
//! 13 × 2 accumulators + 2 vectors + 1 broadcast fit; with 16 (AVX2) 6 × 2 + 2 + 1. So the 13 × 2 tile does 26
//! multiply-adds on 15 loads, and neither the loads nor the latency of an addition (26 independent sums) hold it up.
//! `tile!` picks the compiled `P`.
//!
//! The loops over a tile are plain loops over indices: the compiler unrolls these early, so that the sums live in registers.
//! Iterators and closures over arrays it may keep in memory, or compile without the vectors. For the same reason a tile is
//! passed by value: one whose address is taken is written back in every step.

use super::heights;
use super::multiply::{Multiply, Vector};
use crate::team::Shared;
use pulp::Simd;

/// Columns of a tile: two vectors.
#[inline(always)]
pub(super) const fn panel<M: Multiply>() -> usize {
    2 * <M::Simd as Simd>::F32_LANES
}

/// Rows of a tile: as many as leave room for two vectors and a broadcast. Portable code serves processors that hardly anybody has: a
/// few forms of it keep the program small. With 3 rows or more every part of a split has at least 2, which convolutions at borders ask for.
#[inline(always)]
pub(super) const fn most_rows<M: Multiply>() -> usize {
    match (<M::Simd as Simd>::F32_LANES, <M::Simd as Simd>::REGISTER_COUNT) {
        (1, _) => 3,
        (_, 32..) => 13,
        _ => 6,
    }
}

/// Ends the compilation of tiles that no caller asks for on this instruction set: those of [`heights`] are asked for.
#[inline(always)]
pub(super) fn assert_rows<M: Multiply, const P: usize>() {
    assert!(P <= most_rows::<M>() && heights::is_height(P));
}

/// Calls `$kernel::<…, P>` with the compile-time `P` that equals `$rows`.
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
pub(super) use tile;

/// A tile of sums: `P` rows × 2 vectors of columns.
pub(super) type Tile<M, const P: usize> = [[Vector<M>; 2]; P];

/// A tile of zeros.
#[inline(always)]
pub(super) fn zeros<M: Multiply, const P: usize>(m: M) -> Tile<M, P> {
    [[m.simd().splat_f32s(0.0); 2]; P]
}

/// Units of the left factor: row p, step k at `start + p · row + k · step`.
#[derive(Clone, Copy)]
pub(super) struct Left {
    pub start: *const f32,
    pub row: usize,
    pub step: usize,
}

/// Returns the tile with `Σ_{k < depth} a[p, k] · b[k]` added to the rows `rows`; `b[k]` are two vectors at
/// `b + k · b_step`.
///
/// # Safety
/// `a` must be readable for every p in `rows` and k < depth, `b` for two vectors at every k.
#[inline(always)]
pub(super) unsafe fn accumulate<M: Multiply, const P: usize>(
    m: M,
    mut tile: Tile<M, P>,
    rows: std::ops::Range<usize>,
    a: Left,
    (b, b_step): (*const f32, usize),
    depth: usize,
) -> Tile<M, P> {
    for k in 0..depth {
        // SAFETY: the caller vouches for both pointers over the whole depth.
        let b = unsafe { load2::<M>(b.add(k * b_step)) };
        for p in 0..P {
            if rows.start <= p && p < rows.end {
                // SAFETY: as above; the offset stays inside what the caller vouches for.
                tile[p] = unsafe { m.multiply_add_row((a.start.wrapping_add(k * a.step), p * a.row), b, tile[p]) };
            }
        }
    }
    tile
}

/// # Safety
/// `from` must be readable for a vector.
#[inline(always)]
pub(super) unsafe fn load<M: Multiply>(from: *const f32) -> Vector<M> {
    // SAFETY: by contract; an unaligned read of plain data.
    unsafe { from.cast::<Vector<M>>().read_unaligned() }
}

/// # Safety
/// `from` must be readable for two vectors.
#[inline(always)]
pub(super) unsafe fn load2<M: Multiply>(from: *const f32) -> [Vector<M>; 2] {
    // SAFETY: by contract.
    unsafe { [load::<M>(from), load::<M>(from.add(panel::<M>() / 2))] }
}

/// # Safety
/// `to` must be writable for a vector.
#[inline(always)]
pub(super) unsafe fn put<M: Multiply>(to: *mut f32, vector: Vector<M>) {
    // SAFETY: by contract; an unaligned write of plain data.
    unsafe { to.cast::<Vector<M>>().write_unaligned(vector) }
}

/// Copies a short row; a call of `memcpy` would take longer than the copying.
#[inline(always)]
pub(super) fn copy<M: Multiply>(m: M, to: &mut [f32], from: &[f32]) {
    let lanes = panel::<M>() / 2;
    let (len, whole) = (to.len(), to.len() / lanes * lanes);
    assert!(from.len() >= len);
    for at in (0..whole).step_by(lanes) {
        // SAFETY: at + lanes ≤ whole, which both slices reach.
        unsafe { put::<M>(to.as_mut_ptr().add(at), load::<M>(from.as_ptr().add(at))) };
    }
    if whole < len {
        m.simd().partial_store_f32s(&mut to[whole..], m.simd().partial_load_f32s(&from[whole..len]));
    }
}

/// Asks for values that will be read soon, so that they come from memory while products keep the processor busy. It changes
/// no result.
#[inline(always)]
pub(super) fn prefetch(values: &[f32]) {
    /// Values of a cache line.
    const LINE: usize = 16;
    #[cfg(target_arch = "x86_64")]
    for at in (0..values.len()).step_by(LINE) {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: a prefetch reads nothing; the address is that of a value.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(values.as_ptr().add(at).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, LINE);
}

/// A full tile whose rows lie `stride` apart.
///
/// # Safety
/// `from` must be readable for two vectors at every row.
#[inline(always)]
pub(super) unsafe fn load_tile<M: Multiply, const P: usize>(m: M, from: *const f32, stride: usize) -> Tile<M, P> {
    let mut tile = zeros::<M, P>(m);
    for p in 0..P {
        // SAFETY: by contract.
        tile[p] = unsafe { load2::<M>(from.add(p * stride)) };
    }
    tile
}

/// What sums are added to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Onto<'a> {
    /// Nothing: they are stored.
    Nothing,
    /// What their destination holds.
    Destination,
    /// A row of values that is the same for all rows, such as a bias.
    Row(&'a [f32]),
}

impl<'a> Onto<'a> {
    /// The same from a column on.
    #[inline(always)]
    pub(crate) fn from(self, column: usize) -> Self {
        match self {
            Self::Row(row) => Self::Row(&row[column..]),
            other => other,
        }
    }
}

/// Stores the first `columns` values of each row of a tile at `to + p · stride`, added to those at `old.0 + p · old.1` if there are
/// any.
///
/// # Safety
/// `to` must be writable and `old` readable for `columns` values at every row.
#[inline(always)]
pub(super) unsafe fn store_tile<M: Multiply, const P: usize>(
    m: M,
    tile: Tile<M, P>,
    to: *mut f32,
    (stride, columns, old): (usize, usize, Option<(*const f32, usize)>),
) {
    let (s, lanes) = (m.simd(), panel::<M>() / 2);
    if columns == 2 * lanes {
        for p in 0..P {
            // SAFETY: by contract: a full row is two vectors.
            unsafe {
                let to = to.add(p * stride);
                let [low, high] = tile[p];
                if let Some((old, stride)) = old {
                    let [old_low, old_high] = load2::<M>(old.add(p * stride));
                    put::<M>(to, s.add_f32s(old_low, low));
                    put::<M>(to.add(lanes), s.add_f32s(old_high, high));
                } else {
                    put::<M>(to, low);
                    put::<M>(to.add(lanes), high);
                }
            }
        }
        return;
    }
    let values = tile;
    // SAFETY: by contract; a tile is `P` rows of two vectors.
    unsafe { store_short(values.as_ptr().cast(), (P, 2 * lanes), to, (stride, columns, old)) }
}

/// The same for rows that are shorter than a panel, from `rows` rows of `panel` values in memory. Once for all tiles: written out for each of their
/// heights this was half of what a product takes in the program, and it runs once a tile.
///
/// # Safety
/// As for [`store_tile`]; `values` must be readable.
#[inline(never)]
unsafe fn store_short(
    values: *const f32,
    (rows, panel): (usize, usize),
    to: *mut f32,
    (stride, columns, old): (usize, usize, Option<(*const f32, usize)>),
) {
    for row in 0..rows {
        for column in 0..columns {
            // SAFETY: by contract. What is added to may be what is stored to.
            unsafe {
                let value = *values.add(row * panel + column);
                let value = old.map_or(value, |(old, stride)| *old.add(row * stride + column) + value);
                *to.add(row * stride + column) = value;
            }
        }
    }
}

/// A factor of a product in memory: element (p, k) of a left one at `p · row + k · step`; of a right one the two vectors of
/// step k at `k · step`.
#[derive(Clone, Copy)]
pub(super) struct Factor<'a> {
    pub units: &'a [f32],
    pub row: usize,
    pub step: usize,
}

/// `to[p, ..columns]` = `Σ_{k < depth} a[p, k] · b[k]` for P rows that lie `stride` apart, onto what there is to add to.
#[inline(always)]
pub(super) fn product_tile<M: Multiply, const P: usize>(
    m: M,
    to: Shared<'_, f32>,
    (stride, columns, onto): (usize, usize, Onto<'_>),
    (a, b): (Factor<'_>, Factor<'_>),
    depth: usize,
) {
    assert_rows::<M, P>();
    assert!(depth > 0 && columns <= panel::<M>() && to.len() >= (P - 1) * stride + columns);
    assert!(a.units.len() > (P - 1) * a.row + (depth - 1) * a.step);
    assert!(b.units.len() >= (depth - 1) * b.step + panel::<M>());
    let left = Left { start: a.units.as_ptr(), row: a.row, step: a.step };
    let old = match onto {
        Onto::Nothing => None,
        Onto::Destination => Some((to.as_mut_ptr().cast_const(), stride)),
        Onto::Row(row) => Some((row[..columns].as_ptr(), 0)),
    };
    // SAFETY: the asserts above bound all of them; no two parts of an operation write one value.
    unsafe {
        let tile = accumulate(m, zeros::<M, P>(m), 0..P, left, (b.units.as_ptr(), b.step), depth);
        store_tile(m, tile, to.as_mut_ptr(), (stride, columns, old));
    }
}

/// Packs a matrix of `groups · rows` rows into panels of two vectors of columns as units along the rows,
/// `[columns / 2 vectors][groups][rows as units][2 vectors]`. Zeros fill the last panel, and the last unit of a group whose
/// rows are odd in number. Element `(r, c)` of the matrix is `data[start + c · stride]` with `(start, stride) = place(r)`.
#[inline(always)]
pub(super) fn pack<M: Multiply>(
    m: M,
    packed: &mut [f32],
    (groups, rows, columns): (usize, usize, usize),
    data: &[f32],
    place: impl Fn(usize) -> (usize, usize),
) {
    let (panel, units) = (panel::<M>(), rows.div_ceil(M::DEPTH));
    for (first, packed) in (0..columns).step_by(panel).zip(packed.chunks_exact_mut(groups * units * panel)) {
        let used = panel.min(columns - first);
        for (group, packed) in packed.chunks_exact_mut(units * panel).enumerate() {
            for (unit, packed) in packed.chunks_exact_mut(panel).enumerate() {
                let row = unit * M::DEPTH;
                let (start, stride) = place(group * rows + row);
                pack_row(m, packed, used, &data[start + first * stride..], stride);
                if M::DEPTH == 1 {
                    continue;
                }
                let mut second = [0.0; WIDEST_PANEL];
                if row + 1 < rows {
                    let (start, stride) = place(group * rows + row + 1);
                    pack_row(m, &mut second[..panel], used, &data[start + first * stride..], stride);
                }
                for half in [0, panel / 2] {
                    // SAFETY: both have the length of a panel, two vectors.
                    unsafe {
                        let to = packed.as_mut_ptr().add(half);
                        put::<M>(to, m.unit(load::<M>(to), load::<M>(second.as_ptr().add(half))));
                    }
                }
            }
        }
    }
}

/// Columns of the widest panel, AVX-512's.
const WIDEST_PANEL: usize = 32;

/// The first `used` values of a row, which lie `stride` apart, and zeros behind them.
#[inline(always)]
fn pack_row<M: Multiply>(m: M, row: &mut [f32], used: usize, data: &[f32], stride: usize) {
    if stride == 1 {
        copy(m, &mut row[..used], data);
    } else {
        for (value, source) in row[..used].iter_mut().zip(data.iter().step_by(stride)) {
            *value = *source;
        }
    }
    row[used..].fill(0.0);
}

/// Length of a packed matrix.
pub(super) const fn packed_len<M: Multiply>(groups: usize, rows: usize, columns: usize) -> usize {
    columns.div_ceil(panel::<M>()) * panel::<M>() * groups * rows.div_ceil(M::DEPTH)
}
