//! Sums along a row, in an order that depends on its length alone: 16 running sums, which are added by halves.

/// Running sums: a vector of AVX-512, two of AVX2, four of NEON.
pub(super) const LANES: usize = 16;

/// Σ over i of `term` of the i-th values of rows of one length.
#[inline(always)]
pub(super) fn sum<const N: usize>(rows: [&[f32]; N], term: impl Fn([f32; N]) -> f32) -> f32 {
    let len = rows[0].len();
    let mut wholes: [&[[f32; LANES]]; N] = [&[]; N];
    for n in 0..N {
        assert_eq!(rows[n].len(), len);
        wholes[n] = rows[n].as_chunks().0;
    }
    let mut sums = [0.0; LANES];
    for chunk in 0..len / LANES {
        let mut values = [[0.0; LANES]; N];
        for n in 0..N {
            values[n] = wholes[n][chunk];
        }
        for lane in 0..LANES {
            sums[lane] += term(lane_of(&values, lane));
        }
    }
    let rest = len % LANES;
    if rest > 0 {
        // All lanes are computed, so that these are vectors too; those behind the end count nothing.
        let mut values = [[0.0; LANES]; N];
        for n in 0..N {
            values[n][..rest].copy_from_slice(&rows[n][len - rest..]);
        }
        for lane in 0..LANES {
            let value = term(lane_of(&values, lane));
            sums[lane] += if lane < rest { value } else { 0.0 };
        }
    }
    by_halves(sums, |a, b| a + b)
}

#[inline(always)]
fn lane_of<const N: usize>(values: &[[f32; LANES]; N], lane: usize) -> [f32; N] {
    let mut of_lane = [0.0; N];
    for n in 0..N {
        of_lane[n] = values[n][lane];
    }
    of_lane
}

/// One value of many: each of the first half takes in one of the second, and so on.
#[inline(always)]
pub(super) fn by_halves(values: [f32; LANES], both: impl Fn(f32, f32) -> f32) -> f32 {
    let (mut eight, mut four) = ([0.0; 8], [0.0; 4]);
    for lane in 0..8 {
        eight[lane] = both(values[lane], values[lane + 8]);
    }
    for lane in 0..4 {
        four[lane] = both(eight[lane], eight[lane + 4]);
    }
    both(both(four[0], four[2]), both(four[1], four[3]))
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
