//! Products of a single row, as for the prediction of one sample: bound by reading b.
//!
//! Tiles read a panel of b after the other, a short piece of each row. Here b is walked as it lies in memory, so that the
//! processor fetches ahead. The sums are those of the tiles, bit for bit.

use crate::ops::multiply::Multiply;
use crate::ops::tile::{load, panel, put};
use pulp::Simd;

/// c = a · b, or c += a · b, for one row c and b `[a.len(), c.len()]`, whose rows lie `stride` apart. As in tiles, sums of `part` products are added up.
#[inline(always)]
pub(super) fn product<M: Multiply>(
    m: M,
    c: &mut [f32],
    a: &[f32],
    (b, stride): (&[f32], usize),
    (part, add): (usize, bool),
) {
    let (columns, lanes) = (c.len(), panel::<M>() / 2);
    assert!(a.is_empty() || b.len() >= (a.len() - 1) * stride + columns);
    for from in (0..a.len()).step_by(part) {
        let a = &a[from..a.len().min(from + part)];
        let add = add || from > 0;
        let mut first = 0;
        while first < columns {
            let (b, c) = (&b[from * stride + first..], &mut c[first..]);
            first += if <M::Simd as Simd>::REGISTER_COUNT >= 32 && c.len() >= 16 * lanes {
                vectors::<M, 16>(m, c, a, (b, stride), add)
            } else if c.len() >= 4 * lanes {
                vectors::<M, 4>(m, c, a, (b, stride), add)
            } else if c.len() >= lanes {
                vectors::<M, 1>(m, c, a, (b, stride), add)
            } else {
                rest(m, c, a, (b, stride), add)
            };
        }
    }
}

/// The first `V` vectors of columns; returns how many columns these are.
#[inline(always)]
fn vectors<M: Multiply, const V: usize>(
    m: M,
    c: &mut [f32],
    a: &[f32],
    (b, stride): (&[f32], usize),
    add: bool,
) -> usize {
    let lanes = panel::<M>() / 2;
    assert!(!a.is_empty() && c.len() >= V * lanes && b.len() >= (a.len() - 1) * stride + V * lanes);
    let mut sums = [m.simd().splat_f32s(0.0); V];
    for k in 0..a.len() {
        let unit = m.simd().splat_f32s(a[k]);
        for v in 0..V {
            // SAFETY: asserted above.
            let b = unsafe { load::<M>(b.as_ptr().add(k * stride + v * lanes)) };
            sums[v] = m.multiply_add(unit, b, sums[v]);
        }
    }
    for v in 0..V {
        // SAFETY: asserted above.
        unsafe {
            let to = c.as_mut_ptr().add(v * lanes);
            put::<M>(to, if add { m.simd().add_f32s(load::<M>(to), sums[v]) } else { sums[v] });
        }
    }
    V * lanes
}

/// Columns that do not fill a vector; returns how many.
#[inline(always)]
fn rest<M: Multiply>(m: M, c: &mut [f32], a: &[f32], (b, stride): (&[f32], usize), add: bool) -> usize {
    let (s, columns) = (m.simd(), c.len());
    let mut sums = s.splat_f32s(0.0);
    for (k, a) in a.iter().enumerate() {
        let b = s.partial_load_f32s(&b[k * stride..k * stride + columns]);
        sums = m.multiply_add(s.splat_f32s(*a), b, sums);
    }
    if add {
        sums = s.add_f32s(s.partial_load_f32s(c), sums);
    }
    s.partial_store_f32s(c, sums);
    columns
}
