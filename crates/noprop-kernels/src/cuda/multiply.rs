//! What products and convolutions on a device multiply.

use crate::ops::multiply::Precision;

/// What products and convolutions on a device multiply. Sums are always f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Multiply {
    /// f32 factors on the ordinary units.
    #[default]
    F32,
    /// Factors rounded to TF32 (10 bits) on tensor cores.
    Tf32,
    /// Factors rounded to bf16 (7 bits) on tensor cores.
    Bf16,
}

impl From<Precision> for Multiply {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::Tf32 => Self::Tf32,
            Precision::Bf16 => Self::Bf16,
        }
    }
}

impl Multiply {
    /// The suffix of the kernels' names.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
        }
    }
}
