//! Pairs of bf16 values with sums in f32: AVX-512 BF16 (`vdpbf16ps`), and in tests the same in plain code, for every machine.

use super::WithMultiply;
use crate::ops::simd::InstructionSet;

/// The bf16 value nearest to `value`, ties to even. As the processor does it, what is too small for a normal number becomes 0.
#[inline(always)]
pub fn round(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    if bits & 0x7F80_0000 == 0 {
        return (bits >> 16) as u16 & 0x8000;
    }
    ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16) as u16
}

/// The value of a bf16 number, exactly.
#[inline(always)]
pub fn value(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// Two values as one unit, the first in the lower half.
#[inline(always)]
fn pair(first: f32, second: f32) -> f32 {
    f32::from_bits(u32::from(round(first)) | u32::from(round(second)) << 16)
}

/// Whether the processor has bf16 dot products, whatever this process may use.
pub fn is_in_processor() -> bool {
    #[cfg(target_arch = "x86_64")]
    return x86::Dots::try_new().is_some();
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Whether this process uses them: the processor has them, and its instruction set is AVX-512.
pub fn is_available() -> bool {
    InstructionSet::current() == InstructionSet::Avx512 && is_in_processor()
}

/// Runs `kernel` with bf16 factors.
///
/// # Panics
/// If there are [no kernels](super::Precision::check_kernels) for them.
#[inline]
pub fn dispatch<K: WithMultiply>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    if InstructionSet::current() == InstructionSet::Avx512
        && let Some(dots) = x86::Dots::try_new()
    {
        return dots.run(kernel);
    }
    #[cfg(test)]
    return kernel.with(plain::Plain);
    #[cfg(not(test))]
    {
        let _ = kernel;
        unreachable!("operations check that there are kernels for their precision")
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use crate::ops::multiply::{Multiply, WithMultiply};
    use pulp::x86::V4;
    use pulp::{cast, f32x16};
    use std::arch::asm;
    use std::arch::x86_64::{
        __m256i, __m512, __m512bh, __m512i, _mm256_storeu_si256, _mm512_cvtepu16_epi32, _mm512_cvtneps_pbh,
        _mm512_dpbf16_ps, _mm512_or_si512, _mm512_slli_epi32,
    };
    use std::mem::transmute;

    /// AVX-512 with bf16 dot products. It exists only where the processor has both.
    #[derive(Clone, Copy)]
    pub struct Dots(V4);

    impl Dots {
        #[inline]
        pub fn try_new() -> Option<Self> {
            let simd = V4::try_new()?;
            std::arch::is_x86_feature_detected!("avx512bf16").then_some(Self(simd))
        }

        /// Runs `kernel` compiled for these instructions.
        #[inline]
        pub fn run<K: WithMultiply>(self, kernel: K) -> K::Output {
            // `V4`'s features, and those of the dot products.
            #[target_feature(
                enable = "sse,sse2,fxsr,sse3,ssse3,sse4.1,sse4.2,popcnt,avx,avx2,bmi1,bmi2,fma,lzcnt,avx512f,avx512bw"
            )]
            #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512bf16")]
            fn compiled<K: WithMultiply>(dots: Dots, kernel: K) -> K::Output {
                kernel.with(dots)
            }
            // SAFETY: `self` exists, so the processor has all of them.
            unsafe { compiled(self, kernel) }
        }

        /// 16 values rounded to nearest, ties to even.
        #[inline(always)]
        fn round(self, values: f32x16) -> __m256i {
            let values: __m512 = cast(values);
            // SAFETY: `self` exists, so the processor has the instruction. Both types are 256 bits without a meaning of
            // their own.
            unsafe { transmute(_mm512_cvtneps_pbh(values)) }
        }
    }

    /// [`Multiply::multiply_add_row`] as three instructions in this order. The compiler has no timing for the dot product on a
    /// processor that it does not know: left to itself it loads all units of a step before the first product, and runs out of
    /// registers.
    ///
    /// # Safety
    /// The unit at `from + offset` must be readable.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    unsafe fn multiply_add_row(from: *const f32, offset: usize, b: [__m512; 2], sums: [__m512; 2]) -> [__m512; 2] {
        let [mut low, mut high] = sums;
        let _unit: __m512;
        // SAFETY: reads the unit, which is readable by contract, and writes the named registers alone.
        unsafe {
            asm!(
                "vbroadcastss {unit}, dword ptr [{from} + 4*{offset}]",
                "vdpbf16ps {low}, {unit}, {b_low}",
                "vdpbf16ps {high}, {unit}, {b_high}",
                from = in(reg) from,
                offset = in(reg) offset,
                unit = out(zmm_reg) _unit,
                low = inout(zmm_reg) low,
                high = inout(zmm_reg) high,
                b_low = in(zmm_reg) b[0],
                b_high = in(zmm_reg) b[1],
                options(pure, readonly, nostack, preserves_flags),
            );
        }
        [low, high]
    }

    impl Multiply for Dots {
        type Simd = V4;
        const DEPTH: usize = 2;
        #[inline(always)]
        fn simd(self) -> V4 {
            self.0
        }
        #[inline(always)]
        fn multiply_add(self, a: f32x16, b: f32x16, sum: f32x16) -> f32x16 {
            let sum: __m512 = cast(sum);
            // SAFETY: `self` exists, so the processor has the instruction. All types are 512 bits without a meaning of their
            // own.
            unsafe {
                let (a, b) = (transmute::<f32x16, __m512bh>(a), transmute::<f32x16, __m512bh>(b));
                cast(_mm512_dpbf16_ps(sum, a, b))
            }
        }
        #[inline(always)]
        unsafe fn multiply_add_row(
            self,
            (from, offset): (*const f32, usize),
            b: [f32x16; 2],
            sums: [f32x16; 2],
        ) -> [f32x16; 2] {
            // SAFETY: `self` exists, so the processor has the instructions; the unit is readable by contract.
            let sums =
                unsafe { multiply_add_row(from, offset, [cast(b[0]), cast(b[1])], [cast(sums[0]), cast(sums[1])]) };
            [cast(sums[0]), cast(sums[1])]
        }
        #[inline(always)]
        fn unit(self, first: f32x16, second: f32x16) -> f32x16 {
            let (first, second) = (self.round(first), self.round(second));
            // SAFETY: `self` exists, so the processor has AVX-512.
            let pairs: __m512i = unsafe {
                let second = _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(second));
                _mm512_or_si512(_mm512_cvtepu16_epi32(first), second)
            };
            cast(pairs)
        }
        #[inline(always)]
        fn unit_of(first: f32, second: f32) -> f32 {
            super::pair(first, second)
        }
        #[inline(always)]
        unsafe fn put_values(self, to: *mut f32, at: usize, values: f32x16) {
            // SAFETY: by contract; an unaligned write of plain data.
            unsafe { _mm256_storeu_si256(to.cast::<u16>().add(at).cast(), self.round(values)) }
        }
    }
}

/// The same in plain code: the definition that the processor's instruction is compared with, and kernels on machines that
/// lack it.
#[cfg(test)]
pub mod plain {
    use super::{pair, value};
    use crate::ops::multiply::Multiply;
    use pulp::Scalar;

    #[derive(Clone, Copy)]
    pub struct Plain;

    impl Multiply for Plain {
        type Simd = Scalar;
        const DEPTH: usize = 2;
        fn simd(self) -> Scalar {
            Scalar
        }
        fn multiply_add(self, a: f32, b: f32, sum: f32) -> f32 {
            let halves = |unit: f32| (value(unit.to_bits() as u16), value((unit.to_bits() >> 16) as u16));
            let ((a_first, a_second), (b_first, b_second)) = (halves(a), halves(b));
            // The products are exact: 8 bits times 8 bits.
            sum + a_second * b_second + a_first * b_first
        }
        fn unit(self, first: f32, second: f32) -> f32 {
            pair(first, second)
        }
        fn unit_of(first: f32, second: f32) -> f32 {
            pair(first, second)
        }
        unsafe fn put_values(self, to: *mut f32, at: usize, values: f32) {
            // SAFETY: by contract.
            unsafe { to.cast::<u16>().add(at).write_unaligned(super::round(values)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::plain::Plain;
    use super::{dispatch, round, value};
    use crate::ops::multiply::{Multiply, WithMultiply};
    use crate::ops::simd::with_each;
    use crate::ops::testing::normal;
    use crate::ops::tile::{load, panel, put};

    /// Values over the whole range, with ties and special ones.
    fn samples() -> Vec<f32> {
        let mut values = vec![0.0, -0.0, f32::MAX, f32::MIN, f32::INFINITY, f32::NEG_INFINITY, 1e-40, -1e-45, 1.0];
        values
            .extend([0x3F80_8000, 0x3F81_8000, 0x3F80_8001, 0x3F80_7FFF, 0xBF80_8000, 0x7F7F_8000].map(f32::from_bits));
        let scales = [1e-30, 1e-3, 1.0, 1e3, 1e30];
        values.extend(normal(1, 500).iter().enumerate().map(|(at, value)| (value * scales[at % 5]) as f32));
        values
    }

    #[test]
    fn rounding_is_to_the_nearest_and_ties_go_to_even() {
        /// Half of the distance of neighbours above 1.
        const TIE: f32 = 1.0 / 256.0;
        for (from, to) in
            [(1.0, 1.0), (1.0 + TIE, 1.0), (1.0 + 3.0 * TIE, 1.0 + 4.0 * TIE), (1.004, 1.0 + 2.0 * TIE), (-3.0, -3.0)]
        {
            assert_eq!(value(round(from)), to, "{from}");
        }
        assert_eq!(value(round(f32::MAX)), f32::INFINITY);
        assert_eq!(round(-1e-40), 0x8000);
        assert!(value(round(f32::NAN)).is_nan());
        for value in samples().into_iter().filter(|value| value.is_normal() && value.abs() < 1e38) {
            assert!((super::value(round(value)) - value).abs() <= value.abs() / 256.0);
        }
    }

    /// Units made by each way there is, and sums of products over them, `panel` pairs at a time.
    struct Outcome<'a>(&'a [f32]);

    impl WithMultiply for Outcome<'_> {
        /// Units lane by lane, units one by one, units of values side by side, sums.
        type Output = [Vec<u32>; 4];
        #[inline(always)]
        fn with<M: Multiply>(self, m: M) -> Self::Output {
            let lanes = panel::<M>() / 2;
            let half = self.0.len() / 2 / lanes * lanes;
            let (first, second) = self.0[..2 * half].split_at(half);
            let mut made = [vec![0.0; half], vec![0.0; half], vec![0.0; half], vec![0.0; half]];
            for at in (0..half).step_by(lanes) {
                // SAFETY: at + lanes ≤ half, the length of all.
                unsafe {
                    let (a, b) = (load::<M>(first.as_ptr().add(at)), load::<M>(second.as_ptr().add(at)));
                    let unit = m.unit(a, b);
                    put::<M>(made[0].as_mut_ptr().add(at), unit);
                    m.put_values(made[2].as_mut_ptr(), at, a);
                    m.put_values(made[2].as_mut_ptr(), half + at, b);
                    put::<M>(made[3].as_mut_ptr().add(at), m.multiply_add(unit, m.unit(b, b), a));
                }
            }
            for (unit, (first, second)) in made[1].iter_mut().zip(first.iter().zip(second)) {
                *unit = M::unit_of(*first, *second);
            }
            made.map(|values| values.into_iter().map(f32::to_bits).collect())
        }
    }

    #[test]
    fn the_processor_rounds_and_multiplies_as_the_definition_says() {
        // A multiple of 32, so that every instruction set takes all of them.
        let mut values = samples();
        values.truncate(values.len() / 32 * 32);
        let expected = Outcome(&values).with(Plain);
        with_each(|set| {
            let made = dispatch(Outcome(&values));
            for (way, (made, expected)) in made.iter().zip(&expected).enumerate().take(3) {
                assert_eq!(made, expected, "units made in way {way} on {}", set.as_str());
            }
            for (made, expected) in made[3].iter().zip(&expected[3]) {
                let (made, expected) = (f32::from_bits(*made), f32::from_bits(*expected));
                // A sum of three terms may be rounded once less, or a tiny term flushed.
                let close = (made - expected).abs() <= 1e-6 * expected.abs().max(1.0);
                assert!(close || made == expected || (made.is_nan() && expected.is_nan()), "{made} is not {expected}");
            }
        });
    }
}
