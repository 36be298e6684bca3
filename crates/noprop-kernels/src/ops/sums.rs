//! Sums along a row, in an order that depends on its length and the instruction set alone: each lane of a vector adds up values a
//! vector apart. The compiler does not find such an order by itself, since it never reorders additions.

use pulp::Simd;

/// Lanes of the widest vector, AVX-512's.
const WIDEST: usize = 16;

/// Σ over i of `term` of the i-th values of rows of one length. `term` is given vectors; what it makes of 0 behind the end counts
/// nothing.
#[inline(always)]
pub(super) fn sum<S: Simd, const N: usize>(s: S, rows: [&[f32]; N], term: impl Fn([S::f32s; N]) -> S::f32s) -> f32 {
    let len = rows[0].len();
    let mut wholes: [&[S::f32s]; N] = [&[]; N];
    for n in 0..N {
        assert_eq!(rows[n].len(), len);
        wholes[n] = S::as_simd_f32s(rows[n]).0;
    }
    let mut sums = s.splat_f32s(0.0);
    for i in 0..len / S::F32_LANES {
        let mut values = [sums; N];
        for n in 0..N {
            values[n] = wholes[n][i];
        }
        sums = s.add_f32s(sums, term(values));
    }
    let rest = len % S::F32_LANES;
    if rest > 0 {
        let mut values = [sums; N];
        for n in 0..N {
            values[n] = s.partial_load_f32s(&rows[n][len - rest..]);
        }
        let counts = s.partial_load_f32s(&[1.0; WIDEST][..rest]);
        sums = s.mul_add_e_f32s(counts, term(values), sums);
    }
    s.reduce_sum_f32s(sums)
}

/// Σ a · b.
#[inline(always)]
pub(super) fn inner<S: Simd>(s: S, a: &[f32], b: &[f32]) -> f32 {
    sum(
        s,
        [a, b],
        #[inline(always)]
        |[a, b]| s.mul_f32s(a, b),
    )
}

/// The greatest value of a row that is not empty.
#[inline(always)]
pub(super) fn greatest<S: Simd>(s: S, row: &[f32]) -> f32 {
    if row.len() < S::F32_LANES {
        let mut most = row[0];
        for value in row {
            most = if *value > most { *value } else { most };
        }
        return most;
    }
    // The last vector of values shares some with the one before.
    let mut most = S::as_simd_f32s(&row[row.len() - S::F32_LANES..]).0[0];
    for values in S::as_simd_f32s(row).0 {
        most = s.max_f32s(most, *values);
    }
    s.reduce_max_f32s(most)
}

#[cfg(test)]
mod tests {
    use super::{greatest, inner, sum};
    use crate::ops::simd::{dispatch, with_each};
    use pulp::{Simd, WithSimd};

    struct All<'a>(&'a [f32], &'a [f32]);

    impl WithSimd for All<'_> {
        /// Σ (a + 1), Σ a · b and the greatest of b.
        type Output = [f32; 3];
        #[inline(always)]
        fn with_simd<S: Simd>(self, s: S) -> [f32; 3] {
            let one = s.splat_f32s(1.0);
            let more = sum(
                s,
                [self.0],
                #[inline(always)]
                |[a]| s.add_f32s(a, one),
            );
            [more, inner(s, self.0, self.1), greatest(s, self.1)]
        }
    }

    #[test]
    fn every_value_counts_once_and_none_behind_the_end() {
        with_each(|set| {
            for len in 1..70 {
                let a: Vec<f32> = (0..len).map(|i| i as f32).collect();
                // The greatest value in every place; all are below 0.
                for place in 0..len {
                    let b: Vec<f32> = (0..len).map(|i| if i == place { -1.0 } else { -2.0 }).collect();
                    let sum = (len * (len - 1) / 2) as f32;
                    let expected = [sum + len as f32, place as f32 - 2.0 * sum, -1.0];
                    assert_eq!(dispatch(All(&a, &b)), expected, "{len} values, {set:?}");
                }
            }
        });
    }
}
