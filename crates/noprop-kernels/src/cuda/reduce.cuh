// Sums over threads in a fixed order, which neither K nor the device decides.
#pragma once
#include "prelude.cuh"

/// The THREADS threads of a block are rows of COLUMNS threads. Returns to each the sum over its column, by halves: row r
/// adds row r + n/2, then r + n/4, and so on. Both numbers are powers of two; `room` has THREADS values. All threads call it.
template <unsigned THREADS, unsigned COLUMNS> __device__ __forceinline__ float tree_sum(float value, float *room) {
    const unsigned thread = threadIdx.x;
    room[thread] = value;
    __syncthreads();
    for (unsigned half = THREADS / 2; half >= COLUMNS; half /= 2) {
        if (thread < half) room[thread] += room[thread + half];
        __syncthreads();
    }
    const float sum = room[thread % COLUMNS];
    // The room may be used again.
    __syncthreads();
    return sum;
}

/// Σ over the lanes of a warp, by halves; the same bits on every lane. All lanes call it.
__device__ __forceinline__ float warp_sum(float value) {
    for (int mask = 16; mask > 0; mask /= 2) value += __shfl_xor_sync(0xffffffffu, value, mask);
    return value;
}

/// The greatest value of a warp's lanes, on every lane. All lanes call it.
__device__ __forceinline__ float warp_max(float value) {
    for (int mask = 16; mask > 0; mask /= 2) value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, mask));
    return value;
}
