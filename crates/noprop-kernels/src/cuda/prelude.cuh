// What every kernel includes. A kernel is `KERNEL(name, most threads of a block, Arguments) { … a.field … }`, where
// Arguments is a plain struct that Rust mirrors with #[repr(C)]. It is compiled by nvcc, and by a C++ compiler for the
// emulation (see emulation.h). All memory is f32 unless a field says otherwise; sums have a fixed order, no float atomics.
#pragma once
#ifdef __CUDACC__
#include <cstdint>
#define KERNEL(name, threads, Arguments)                                                                               \
    extern "C" __global__ void __launch_bounds__(threads) name(const __grid_constant__ Arguments a)
// The same, with so few registers that at least `resident` blocks fit a multiprocessor.
#define KERNEL_RESIDENT(name, threads, resident, Arguments)                                                            \
    extern "C" __global__ void __launch_bounds__(threads, resident) name(const __grid_constant__ Arguments a)
extern __shared__ __align__(16) unsigned char dynamic_shared[];
__device__ __forceinline__ unsigned char *shared_bytes() { return dynamic_shared; }
__device__ __forceinline__ unsigned lane_of_warp() { return threadIdx.x % 32; }
#define UNROLL _Pragma("unroll")
#define COUNT_STRIDE(fours)
#else
#include "emulation.h"
#define KERNEL_RESIDENT(name, threads, resident, Arguments) KERNEL(name, threads, Arguments)
#define UNROLL
// For tests of how products read their factors.
#define COUNT_STRIDE(fours) emulation::count_stride(fours)
#endif

/// A block's dynamic shared memory as values of T, from byte `offset` on.
template <class T> __device__ __forceinline__ T *shared(unsigned offset = 0) {
    return reinterpret_cast<T *>(shared_bytes() + offset);
}

/// One row of values for each of the blocks that run together: row k begins at data + k * stride. Mirrors `RowsOf` in
/// rows.rs. A tensor that all blocks share has stride 0.
struct Rows {
    float *data;
    std::uint64_t stride;
    __device__ __forceinline__ float *row(unsigned k) const { return data + k * stride; }
};

/// What a step reads from device memory, so that a recorded step can be replayed. Mirrors `StepValues` in step.rs.
struct StepValues {
    std::uint32_t epoch;
    std::uint32_t samples;
    std::uint32_t step;
    /// 1 − learning rate · weight decay.
    float keep;
    /// learning rate / (1 − beta1^step); of descent with momentum the learning rate.
    float step_size;
    /// 1 / √(1 − beta2^step).
    float inverse_root_correction;
};

/// Addresses of what a step reads from device memory. Mirrors `DeviceStep` in step.rs.
struct DeviceStep {
    const StepValues *values;
    /// [batch]: each sample's index in the data set, and its class.
    const std::uint32_t *samples;
    const std::uint32_t *classes;
    /// [K]: the blocks, from 1; ᾱ_{t−1} of each; the factor of each one's loss.
    const std::uint32_t *blocks;
    const double *alpha_bars;
    const float *weights;
};
