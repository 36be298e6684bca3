//! Sums along a row, in an order that depends on its length alone: 16 running sums, which are added by halves.

/// Running sums: a vector of AVX-512, two of AVX2, four of NEON.
const LANES: usize = 16;

/// Σ over i of `term` of the i-th values of rows of one length.
#[inline(always)]
pub(super) fn sum<const N: usize>(rows: [&[f32]; N], term: impl Fn([f32; N]) -> f32) -> f32 {
    let len = rows[0].len();
    for n in 0..N {
        assert_eq!(rows[n].len(), len);
    }
    let mut sums = [0.0_f32; LANES];
    let whole = len / LANES * LANES;
    for at in (0..whole).step_by(LANES) {
        for lane in 0..LANES {
            let mut values = [0.0; N];
            for n in 0..N {
                // SAFETY: at + lane < whole, which all rows reach.
                values[n] = unsafe { *rows[n].get_unchecked(at + lane) };
            }
            sums[lane] += term(values);
        }
    }
    for i in whole..len {
        let mut values = [0.0; N];
        for n in 0..N {
            values[n] = rows[n][i];
        }
        sums[i - whole] += term(values);
    }
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
        half /= 2;
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::sum;
    use crate::ops::simd::{vectorize, with_each};

    #[test]
    fn every_value_counts_once_and_the_bits_are_the_same_on_every_instruction_set() {
        for len in [0, 1, 15, 16, 17, 31, 32, 100] {
            let a: Vec<f32> = (0..len).map(|i| i as f32 + 1.0).collect();
            assert_eq!(sum([&a], |[a]| a), (len * (len + 1) / 2) as f32);
            let b: Vec<f32> = a.iter().map(|a| 1.0 / a).collect();
            let expected = sum([&a, &b], |[a, b]| a * b * b);
            with_each(|set| {
                let found = vectorize(
                    #[inline(always)]
                    || sum([&a, &b], |[a, b]| a * b * b),
                );
                assert_eq!(found.to_bits(), expected.to_bits(), "{len} values, {set:?}");
            });
        }
    }
}
