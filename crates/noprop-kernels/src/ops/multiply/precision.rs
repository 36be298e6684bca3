//! What the factors of products and convolutions are rounded to.

use super::bf16;
use crate::error::{Code, Error, Result};
use crate::ops::simd::{FORCE_VARIABLE, InstructionSet};
use crate::tensor::Real;
use serde::{Deserialize, Serialize};

/// The type of the factors in the products and convolutions of training. Sums, weights, gradients, moments and every other
/// operation are `f32` in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 24 significant bits.
    #[default]
    F32,
    /// TF32: 11 significant bits. GPUs alone have it.
    Tf32,
    /// bf16: 8 significant bits, rounded to nearest, ties to even. A processor needs AVX-512 BF16; every GPU has it.
    Bf16,
}

impl Precision {
    /// Those that processors may have.
    pub const OF_PROCESSORS: [Self; 2] = [Self::F32, Self::Bf16];

    /// The name that users see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
        }
    }

    /// Whether this processor, with the instruction set of this process, can calculate so.
    ///
    /// # Errors
    /// [`Code::Device`] naming what is missing.
    pub fn check_processor(self) -> Result<()> {
        match self {
            Self::F32 => Ok(()),
            Self::Tf32 => Err(Error::new(Code::Device, "precision tf32 cannot be used on a processor")
                .expected("f32 or bf16")
                .received("tf32, which GPUs alone have")
                .hint("use f32, or a GPU")),
            Self::Bf16 if bf16::is_available() => Ok(()),
            Self::Bf16 => {
                let set = InstructionSet::current().as_str();
                let (received, hint) = if bf16::is_in_processor() {
                    (
                        format!("{FORCE_VARIABLE}={set}, which leaves them out"),
                        "unset the environment variable, or use f32",
                    )
                } else {
                    (format!("a processor without them (its kernels are for {set})"), "use f32")
                };
                Err(Error::new(Code::Device, "precision bf16 cannot be used on this processor")
                    .expected(
                        "bf16 dot products: AVX-512 BF16, as in AMD from Zen 4 and Intel Xeon from Sapphire Rapids on",
                    )
                    .received(received)
                    .hint(hint))
            }
        }
    }

    /// Whether the processor's operations can calculate so: where the processor can, and everywhere in tests.
    pub(crate) fn check_kernels(self) -> Result<()> {
        if cfg!(test) && self != Self::Tf32 { Ok(()) } else { self.check_processor() }
    }

    /// `value` as a factor, for the references.
    pub(crate) fn factor<T: Real>(self, value: T) -> T {
        match self {
            // No operation of a processor gets as far as to TF32.
            Self::F32 | Self::Tf32 => value,
            Self::Bf16 => {
                let value = value.to_f32().unwrap_or(f32::NAN);
                T::of(f64::from(bf16::value(bf16::round(value))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{InstructionSet, Precision, bf16};
    use crate::device::Devices;
    use crate::error::Code;
    use crate::ops::simd::with_each;

    #[test]
    fn a_processor_without_bf16_dot_products_refuses_them_by_name() {
        with_each(|set| {
            let can = set == InstructionSet::Avx512 && bf16::is_in_processor();
            match Devices::Cpu.check_precision(Precision::Bf16) {
                Ok(()) => assert!(can, "{}", set.as_str()),
                Err(error) => {
                    assert!(!can && error.code == Code::Device, "{}: {error}", set.as_str());
                    assert!(
                        error.expected.contains("AVX-512 BF16") && error.received.contains(set.as_str()),
                        "{error}"
                    );
                    assert!(error.hint.contains("f32"), "{error}");
                }
            }
            assert!(Devices::Cpu.check_precision(Precision::F32).is_ok());
            let error = Devices::Cpu.check_precision(Precision::Tf32).unwrap_err();
            assert_eq!((error.code, error.expected.as_str()), (Code::Device, "f32 or bf16"));
        });
    }

    #[test]
    fn factors_are_rounded_and_f32_leaves_them_alone() {
        let value = 1.0 + 2.0_f64.powi(-9) + 2.0_f64.powi(-20);
        assert_eq!(Precision::Bf16.factor(value), 1.0);
        assert_eq!(Precision::Bf16.factor(value as f32), 1.0);
        assert_eq!(Precision::F32.factor(value), value);
    }
}
