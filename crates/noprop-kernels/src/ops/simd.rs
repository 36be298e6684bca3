//! Run-time choice of the instruction set: AVX-512, AVX2+FMA, NEON or portable code from one source, by `pulp`.

use crate::error::{Code, Error, Result};
use pulp::{Simd, WithSimd};
use std::sync::OnceLock;

/// Environment variable that forces an instruction set: `avx512`, `avx2` or `portable`.
pub const FORCE_VARIABLE: &str = "NOPROP_SIMD";

/// The instruction sets that the kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstructionSet {
    /// AVX-512 (16 lanes of f32, 32 registers).
    Avx512,
    /// AVX2 with FMA (8 lanes of f32, 16 registers).
    Avx2,
    /// NEON (4 lanes of f32, 32 registers).
    Neon,
    /// Code without vector instructions of its own.
    Portable,
}

impl InstructionSet {
    /// The name that users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
            Self::Portable => "portable",
        }
    }

    /// Every set that this machine can run, best first.
    pub fn available() -> Vec<Self> {
        let mut sets = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if pulp::x86::V4::is_available() {
                sets.push(Self::Avx512);
            }
            if pulp::x86::V3::is_available() {
                sets.push(Self::Avx2);
            }
        }
        #[cfg(target_arch = "aarch64")]
        if pulp::aarch64::Neon::try_new().is_some() {
            sets.push(Self::Neon);
        }
        sets.push(Self::Portable);
        sets
    }

    /// The set that the kernels of this process use: the best one, or the one that `NOPROP_SIMD` names if the machine has it.
    pub fn current() -> Self {
        #[cfg(any(test, feature = "testing"))]
        if let Some(forced) = FORCED.get() {
            return forced;
        }
        static CURRENT: OnceLock<InstructionSet> = OnceLock::new();
        *CURRENT.get_or_init(|| {
            let available = Self::available();
            let forced = std::env::var(FORCE_VARIABLE).unwrap_or_default();
            available.iter().copied().find(|set| set.as_str() == forced).unwrap_or(available[0])
        })
    }

    /// Checks that `NOPROP_SIMD`, if it is set, names a set that this machine can run.
    ///
    /// # Errors
    /// [`Code::Option`] with the names that would do.
    pub fn check_variable() -> Result<()> {
        let names: Vec<_> = Self::available().iter().map(|set| set.as_str()).collect();
        match std::env::var(FORCE_VARIABLE) {
            Ok(forced) if !forced.is_empty() && !names.contains(&forced.as_str()) => {
                Err(Error::new(Code::Option, format!("{FORCE_VARIABLE} names no instruction set of this machine"))
                    .expected(names.join(", "))
                    .received(forced)
                    .hint("correct or unset the environment variable"))
            }
            _ => Ok(()),
        }
    }

    /// Runs `op` compiled for this set, which must be available.
    #[inline]
    pub fn dispatch<Op: WithSimd>(self, op: Op) -> Op::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                if let Some(simd) = pulp::x86::V4::try_new() {
                    return Simd::vectorize(simd, op);
                }
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                if let Some(simd) = pulp::x86::V3::try_new() {
                    return Simd::vectorize(simd, op);
                }
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => return pulp::Arch::new().dispatch(op),
            _ => {}
        }
        // In one place, so that it is compiled once.
        Simd::vectorize(pulp::Scalar, op)
    }
}

/// Runs `op` compiled for the current instruction set.
#[inline]
pub fn dispatch<Op: WithSimd>(op: Op) -> Op::Output {
    InstructionSet::current().dispatch(op)
}

/// Runs a plain loop compiled for the current instruction set, so that the compiler vectorises it.
#[inline]
pub fn vectorize<R>(work: impl FnOnce() -> R) -> R {
    dispatch(work)
}

#[cfg(any(test, feature = "testing"))]
thread_local! {
    static FORCED: std::cell::Cell<Option<InstructionSet>> = const { std::cell::Cell::new(None) };
}

/// What [`with_each`] has set on this thread.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn forced() -> Option<InstructionSet> {
    FORCED.get()
}

/// Sets the same on a thread that helps, until it is dropped.
#[cfg(any(test, feature = "testing"))]
pub(crate) struct Forced(Option<InstructionSet>);

#[cfg(any(test, feature = "testing"))]
impl Forced {
    pub(crate) fn new(set: Option<InstructionSet>) -> Self {
        Self(FORCED.replace(set))
    }
}

#[cfg(any(test, feature = "testing"))]
impl Drop for Forced {
    fn drop(&mut self) {
        FORCED.set(self.0);
    }
}

/// Runs `check` once with each instruction set of this machine.
#[cfg(any(test, feature = "testing"))]
pub fn with_each(mut check: impl FnMut(InstructionSet)) {
    for set in InstructionSet::available() {
        FORCED.set(Some(set));
        check(set);
    }
    FORCED.set(None);
}
