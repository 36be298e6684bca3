//! e^x of f32 in arithmetic that the compiler turns into vectors, with the same bits for every instruction set.
//!
//! x = n · ln 2 + r with |r| ≤ ln 2 / 2; e^r is a polynomial (the coefficients of Cephes' `expf`), and 2^n is put together from
//! its bits. No multiplication is fused with an addition, since not every instruction set can.

/// Below and above, values are taken to be this far from 0, so that e^x and its inverse are normal numbers.
pub(super) const MOST: f32 = 87.0;

/// e^x within 2 units of the last place, for x in [−87, 87]; e^−87 = 1.6e-38 below, e^87 above, NaN for NaN.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    /// Adding it rounds to a whole number, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts: n times the first is exact.
    const LN_2: [f32; 2] = [355.0 / 512.0, -2.121_944_4e-4];
    let x = if x < -MOST { -MOST } else { x };
    let x = if x > MOST { MOST } else { x };
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = x - n * LN_2[0] - n * LN_2[1];
    let mut sum = 1.987_569_1e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        sum = sum * r + coefficient;
    }
    let power = f32::from_bits(rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23);
    (sum * (r * r) + r + 1.0) * power
}

#[cfg(test)]
mod tests {
    use super::exp;
    use crate::math;
    use crate::ops::simd::{vectorize, with_each};

    fn of_all(x: &[f32]) -> Vec<f32> {
        let mut y = x.to_vec();
        vectorize(
            #[inline(always)]
            || y.iter_mut().for_each(|value| *value = exp(*value)),
        );
        y
    }

    #[test]
    fn is_the_exponential_with_the_same_bits_on_every_instruction_set() {
        let x: Vec<f32> = (-870_000..=870_000).map(|step| step as f32 * 1e-4).collect();
        let expected: Vec<u32> = x.iter().map(|x| exp(*x).to_bits()).collect();
        for (x, y) in x.iter().zip(&expected) {
            let (y, exact) = (f64::from(f32::from_bits(*y)), math::exp(f64::from(*x)));
            assert!((y - exact).abs() <= 2.0 * f64::from(f32::EPSILON) * exact, "{x}: {y} is not {exact}");
        }
        with_each(|set| {
            let bits: Vec<u32> = of_all(&x).iter().map(|y| y.to_bits()).collect();
            assert!(bits == expected, "{set:?}");
        });
    }

    #[test]
    fn stays_normal_far_from_zero_and_keeps_nan() {
        with_each(|_| {
            let y = of_all(&[f32::NEG_INFINITY, -1e30, -87.5, 87.5, 1e30, f32::INFINITY, f32::NAN, 0.0, -0.0]);
            assert!(y[..6].iter().all(|y| y.is_normal()), "{y:?}");
            assert!(y[..3].iter().all(|y| *y < 2e-38) && y[3..6].iter().all(|y| *y > 6e37), "{y:?}");
            assert!(y[6].is_nan());
            assert_eq!(y[7..], [1.0, 1.0]);
        });
    }
}
