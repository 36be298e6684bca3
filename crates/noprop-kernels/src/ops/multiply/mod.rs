//! What a register tile multiplies: `f32` values, or pairs of bf16 values.
//!
//! A tile reads *units* of 32 bits. A unit is one `f32`, or two bf16 values that lie one behind the other along the summed
//! dimension. So both use the same tiles, panels and buffers, and the second needs half the depth.

mod bf16;
mod precision;

pub use precision::Precision;

use super::simd::InstructionSet;
use pulp::{Simd, WithSimd};

/// One multiply-add of a tile, compiled for one instruction set.
pub trait Multiply: Copy {
    /// The vectors.
    type Simd: Simd;
    /// Values along the summed dimension in one unit.
    const DEPTH: usize;
    /// The instruction set.
    fn simd(self) -> Self::Simd;
    /// `sum + a · b`, lane by lane; a lane of `a` and `b` is a unit.
    fn multiply_add(self, a: Vector<Self>, b: Vector<Self>, sum: Vector<Self>) -> Vector<Self>;
    /// One row's step of a tile: the unit at `from + offset`, broadcast, times two vectors `b`, added to two sums.
    ///
    /// # Safety
    /// The unit must be readable.
    #[inline(always)]
    unsafe fn multiply_add_row(
        self,
        (from, offset): (*const f32, usize),
        b: [Vector<Self>; 2],
        sums: [Vector<Self>; 2],
    ) -> [Vector<Self>; 2] {
        // SAFETY: by contract.
        let unit = self.simd().splat_f32s(unsafe { *from.wrapping_add(offset) });
        [self.multiply_add(unit, b[0], sums[0]), self.multiply_add(unit, b[1], sums[1])]
    }
    /// The unit of `DEPTH` values, lane by lane; a second one is not looked at if `DEPTH` is 1.
    fn unit(self, first: Vector<Self>, second: Vector<Self>) -> Vector<Self>;
    /// The same for one lane.
    fn unit_of(first: f32, second: f32) -> f32;
    /// Stores values that lie one behind the other along the summed dimension, from the `at`-th value behind `to` on.
    ///
    /// # Safety
    /// `to` must be writable for the units of `at` and a vector's values.
    unsafe fn put_values(self, to: *mut f32, at: usize, values: Vector<Self>);
}

/// A vector of `f32` or of units.
pub type Vector<M> = <<M as Multiply>::Simd as Simd>::f32s;

/// `f32` throughout.
#[derive(Clone, Copy)]
pub struct Single<S>(S);

impl<S: Simd> Multiply for Single<S> {
    type Simd = S;
    const DEPTH: usize = 1;
    #[inline(always)]
    fn simd(self) -> S {
        self.0
    }
    #[inline(always)]
    fn multiply_add(self, a: S::f32s, b: S::f32s, sum: S::f32s) -> S::f32s {
        self.0.mul_add_e_f32s(a, b, sum)
    }
    #[inline(always)]
    fn unit(self, first: S::f32s, _: S::f32s) -> S::f32s {
        first
    }
    #[inline(always)]
    fn unit_of(first: f32, _: f32) -> f32 {
        first
    }
    #[inline(always)]
    unsafe fn put_values(self, to: *mut f32, at: usize, values: S::f32s) {
        // SAFETY: by contract; an unaligned write of plain data.
        unsafe { to.add(at).cast::<S::f32s>().write_unaligned(values) }
    }
}

/// A kernel that [`dispatch`] compiles for an arithmetic.
pub trait WithMultiply {
    /// What it returns.
    type Output;
    /// Runs it.
    fn with<M: Multiply>(self, multiply: M) -> Self::Output;
}

/// Runs `kernel` compiled for the current instruction set, with factors of this precision.
///
/// # Panics
/// If the processor cannot do it, which callers ask [`Precision::check_processor`] beforehand.
#[inline]
pub fn dispatch_at<K: WithMultiply>(precision: Precision, kernel: K) -> K::Output {
    match precision {
        Precision::F32 => dispatch(kernel),
        Precision::Bf16 => bf16::dispatch(kernel),
        Precision::Tf32 => unreachable!("no processor has TF32"),
    }
}

/// Runs `kernel` compiled for the current instruction set, with factors of `f32`.
#[inline]
pub fn dispatch<K: WithMultiply>(kernel: K) -> K::Output {
    struct InSingle<K>(K);
    impl<K: WithMultiply> WithSimd for InSingle<K> {
        type Output = K::Output;
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> K::Output {
            self.0.with(Single(simd))
        }
    }
    InstructionSet::current().dispatch(InSingle(kernel))
}
