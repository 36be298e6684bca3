//! Transposed copies, for the factor of a product whose columns lie in one piece.
//!
//! Value by value this takes a store each, which shows beside a product of some hundred rows. Eight by eight it takes one
//! store for eight values.

use super::multiply::Multiply;
use super::tile::panel;

/// Rows and columns of a block.
#[cfg(target_arch = "x86_64")]
const SIDE: usize = 8;

/// `to[k · panel + c] = from[c · stride + k]` for k in `0..rows` and c in `0..columns`; at most a panel of columns.
#[inline(always)]
pub(super) fn to_panel<M: Multiply>(
    _: M,
    to: &mut [f32],
    from: &[f32],
    stride: usize,
    (rows, columns): (usize, usize),
) {
    let panel = panel::<M>();
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(columns <= panel && to.len() >= rows * panel && from.len() >= (columns - 1) * stride + rows);
    let (whole_rows, whole_columns) = whole_blocks::<M>(rows, columns);
    #[cfg(target_arch = "x86_64")]
    for c in (0..whole_columns).step_by(SIDE) {
        for k in (0..whole_rows).step_by(SIDE) {
            // SAFETY: the assert above bounds rows and columns; `whole_blocks` vouches for AVX.
            unsafe { block(to.as_mut_ptr().add(k * panel + c), panel, from.as_ptr().add(c * stride + k), stride) }
        }
    }
    for c in 0..columns {
        let rest = if c < whole_columns { whole_rows } else { 0 };
        for k in rest..rows {
            to[k * panel + c] = from[c * stride + k];
        }
    }
}

/// The rows and columns that blocks cover: none without vectors of 8 values.
#[inline(always)]
fn whole_blocks<M: Multiply>(rows: usize, columns: usize) -> (usize, usize) {
    #[cfg(target_arch = "x86_64")]
    if panel::<M>() >= 2 * SIDE {
        return (rows / SIDE * SIDE, columns / SIDE * SIDE);
    }
    let _ = (rows, columns);
    (0, 0)
}

/// `to[k · to_stride + c] = from[c · from_stride + k]` for c and k below [`SIDE`].
///
/// # Safety
/// `from` must be readable and `to` writable for 8 values at 8 multiples of their strides, and the processor must have AVX.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn block(to: *mut f32, to_stride: usize, from: *const f32, from_stride: usize) {
    use std::arch::x86_64::{
        _mm_loadu_ps, _mm256_castps128_ps256, _mm256_insertf128_ps, _mm256_setzero_ps, _mm256_shuffle_ps,
        _mm256_storeu_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps,
    };
    // No closures: they would be compiled without AVX, and the instructions become calls.
    // SAFETY: by contract.
    unsafe {
        for k in [0, 4] {
            // Values k to k + 3 of column c, and behind them of column c + 4.
            let mut columns = [_mm256_setzero_ps(); 4];
            for c in 0..4 {
                let (low, high) = (from.add(c * from_stride + k), from.add((c + 4) * from_stride + k));
                columns[c] = _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high));
            }
            // Of columns 0 and 1, and of 2 and 3, alternating: values k and k + 1, then k + 2 and k + 3.
            let (low01, high01) =
                (_mm256_unpacklo_ps(columns[0], columns[1]), _mm256_unpackhi_ps(columns[0], columns[1]));
            let (low23, high23) =
                (_mm256_unpacklo_ps(columns[2], columns[3]), _mm256_unpackhi_ps(columns[2], columns[3]));
            _mm256_storeu_ps(to.add(k * to_stride), _mm256_shuffle_ps::<0b01_00_01_00>(low01, low23));
            _mm256_storeu_ps(to.add((k + 1) * to_stride), _mm256_shuffle_ps::<0b11_10_11_10>(low01, low23));
            _mm256_storeu_ps(to.add((k + 2) * to_stride), _mm256_shuffle_ps::<0b01_00_01_00>(high01, high23));
            _mm256_storeu_ps(to.add((k + 3) * to_stride), _mm256_shuffle_ps::<0b11_10_11_10>(high01, high23));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::multiply::{WithMultiply, dispatch};
    use crate::ops::simd::with_each;

    struct Transpose<'a>(&'a mut [f32], &'a [f32], usize, (usize, usize));

    impl WithMultiply for Transpose<'_> {
        /// The panel's width.
        type Output = usize;
        #[inline(always)]
        fn with<M: Multiply>(self, m: M) -> usize {
            let Self(to, from, stride, (rows, columns)) = self;
            to_panel(m, to, from, stride, (rows, columns.min(panel::<M>())));
            panel::<M>()
        }
    }

    #[test]
    fn moves_every_value_and_no_other_on_every_instruction_set() {
        with_each(|set| {
            for (rows, columns) in [(1, 1), (8, 8), (9, 7), (16, 32), (33, 31), (7, 16), (128, 29)] {
                let stride = rows + 3;
                let from: Vec<f32> = (0..columns * stride).map(|index| index as f32).collect();
                let mut to = vec![-1.0; rows * 32];
                let panel = dispatch(Transpose(&mut to, &from, stride, (rows, columns)));
                for (index, value) in to[..rows * panel].iter().enumerate() {
                    let (k, c) = (index / panel, index % panel);
                    let expected = if c < columns { (c * stride + k) as f32 } else { -1.0 };
                    assert_eq!(*value, expected, "row {k}, column {c} of {rows}x{columns} with {set:?}");
                }
            }
        });
    }
}
