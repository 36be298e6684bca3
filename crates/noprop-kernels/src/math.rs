//! Mathematical functions whose bits do not depend on the system.
//!
//! `f64::sin` and its like call the system's mathematics library, which differs between glibc, musl, macOS and Windows, and glibc's
//! own between processors with and without FMA. What weights depend on comes from the crate `libm`, compiled like all other code.
//! `sqrt`, `mul_add` and the four operations are exact everywhere. `clippy.toml` forbids the others.

pub use libm::{asin, cos, erfc, exp, expf, log as ln, sin, sincos as sin_cos};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    /// A hash over the bits of values, FNV-1a by words.
    fn hash(values: impl Iterator<Item = u64>) -> u64 {
        values.fold(0xcbf2_9ce4_8422_2325, |hash, bits| (hash ^ bits).wrapping_mul(0x0100_0000_01b3))
    }

    /// The same on every system: these figures were computed on Linux with glibc.
    #[test]
    fn bits_do_not_depend_on_the_system() {
        let stream = Stream::new(11, Purpose::LabelNoise, 1, 2, 3);
        let normals = (0..500_000).flat_map(|pair| stream.normal_pair(pair)).map(f64::to_bits);
        let exponentials = (0..200_000).map(|step| u64::from(expf(-(step as f32) / 5000.0).to_bits()));
        let waves =
            (0..200_000).map(|step| cos(f64::from(step) / 1e4).to_bits() ^ sin(f64::from(step) / 1e4).to_bits());
        let expected = [0xc370_2e0f_8fd4_f01a, 0x12d9_8c22_6013_dd16, 0xe0b5_f2a5_9ab5_c283];
        assert_eq!([hash(normals), hash(exponentials), hash(waves)], expected);
    }

    /// Within a unit in the last place of the system's functions.
    #[test]
    #[allow(clippy::disallowed_methods)]
    fn values_are_those_of_the_functions() {
        for step in 1..10_000 {
            let x = f64::from(step) / 1000.0;
            let (sine, cosine) = sin_cos(x);
            for (ours, system) in
                [(ln(x), x.ln()), (exp(-x), (-x).exp()), (sine, x.sin()), (cosine, x.cos()), (sin(x), sine)]
            {
                assert!((ours - system).abs() <= f64::EPSILON * system.abs().max(1e-3), "{x}: {ours} {system}");
            }
        }
    }
}
