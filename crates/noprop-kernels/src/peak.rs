//! What the processor reaches when it does nothing but multiply and add, or nothing but read and write memory.

use crate::error::Result;
use crate::ops::multiply::{Multiply, Precision, WithMultiply, dispatch_at};
use crate::ops::simd::vectorize;
use crate::threads::spawn_scoped;
use pulp::Simd;
use std::hint::black_box;
use std::time::Instant;

/// A working set far above every processor's last cache, for [`peak_gigabytes`].
pub const BEYOND_CACHES: usize = 256 << 20;

/// Multiply-adds of all `threads` at once, 10⁹ floating-point operations per second: the best of five tries. With bf16 they
/// are the processor's dot products of bf16 pairs, which count as two multiply-adds a lane.
///
/// # Errors
/// [`Code::Threads`](crate::Code::Threads).
///
/// # Panics
/// If the processor cannot do it, see [`Precision::check_processor`].
pub fn peak_gflops(threads: usize, precision: Precision) -> Result<f64> {
    const ROUNDS: usize = 4_000_000;
    let flops = (threads * ROUNDS * ACCUMULATORS * 2 * dispatch_at(precision, Values)) as f64;
    best_of_five(|| {
        Ok(flops / seconds(vec![ROUNDS; threads], |rounds| dispatch_at(precision, MultiplyAdds(rounds)))? / 1e9)
    })
}

/// Bytes that all `threads` together read and write per second, 10⁹: the best of five tries.
///
/// Each thread goes over `working_set` bytes of its own and replaces every value in place. So each byte counted as read or
/// written moves once, and no cache line is fetched only to be overwritten, which a copy would do without counting it. With
/// [`BEYOND_CACHES`] that is the memory's speed; with the size of an operation's tensors it is the speed of the cache that
/// they fit in, which is the peak to compare that operation with.
///
/// # Errors
/// [`Code::Threads`](crate::Code::Threads).
pub fn peak_gigabytes(threads: usize, working_set: usize) -> Result<f64> {
    /// Bytes that a try at least goes over.
    const ENOUGH: usize = 1 << 29;
    let values = working_set.div_ceil(4).max(1);
    let passes = ENOUGH.div_ceil(4 * values);
    let mut buffers = vec![vec![0.25_f32; values]; threads];
    let bytes = (2 * 4 * threads * values * passes) as f64;
    best_of_five(|| {
        let turn = |buffer: &mut Vec<f32>| (0..passes).for_each(|_| mirror(black_box(buffer)));
        Ok(bytes / seconds(buffers.iter_mut().collect(), turn)? / 1e9)
    })
}

fn best_of_five(mut once: impl FnMut() -> Result<f64>) -> Result<f64> {
    (0..5).try_fold(0.0, |best: f64, _| Ok(best.max(once()?)))
}

/// y = 1 − y: the values stay what they are, however often.
fn mirror(values: &mut [f32]) {
    vectorize(
        #[inline(always)]
        || values.iter_mut().for_each(|value| *value = 1.0 - *value),
    );
}

/// Time that threads take which each do `work` on one of `parts`.
fn seconds<P: Send, R: Send>(parts: Vec<P>, work: impl Fn(P) -> R + Sync) -> Result<f64> {
    let started = Instant::now();
    std::thread::scope(|scope| {
        let work = &work;
        let start = |part| spawn_scoped(scope, "noprop-peak", move || black_box(work(part))).map(drop);
        parts.into_iter().try_for_each(start)
    })?;
    Ok(started.elapsed().as_secs_f64())
}

/// Independent sums: enough to hide the latency of a multiply-add on two units.
const ACCUMULATORS: usize = 12;

/// Values that one multiply-add multiplies.
struct Values;

impl WithMultiply for Values {
    type Output = usize;
    #[inline(always)]
    fn with<M: Multiply>(self, _: M) -> usize {
        M::Simd::F32_LANES * M::DEPTH
    }
}

struct MultiplyAdds(usize);

impl WithMultiply for MultiplyAdds {
    type Output = f32;
    #[inline(always)]
    fn with<M: Multiply>(self, m: M) -> f32 {
        let simd = m.simd();
        let factor = simd.splat_f32s(black_box(0.999));
        let addend = simd.splat_f32s(black_box(0.001));
        let (first, second) = (m.unit(factor, factor), m.unit(addend, addend));
        let mut sums = [simd.splat_f32s(black_box(1.0)); ACCUMULATORS];
        for _ in 0..self.0 {
            for sum in &mut sums {
                // A sum is no pair of bf16 values. Where it can be a factor it is one, or the compiler could take a product
                // that never changes out of the loop.
                *sum = if M::DEPTH == 1 {
                    m.multiply_add(*sum, factor, addend)
                } else {
                    m.multiply_add(first, second, *sum)
                };
            }
        }
        sums.into_iter().map(|sum| simd.reduce_sum_f32s(sum)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_are_measured_in_every_precision() {
        let is_rate = |rate: f64| rate.is_finite() && rate > 0.0;
        assert!(is_rate(peak_gigabytes(1, 1 << 16).unwrap()));
        for precision in [Precision::F32, Precision::Bf16] {
            assert!(is_rate(peak_gflops(1, precision).unwrap()));
        }
    }
}
