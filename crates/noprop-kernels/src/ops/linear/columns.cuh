// Products of which a block of threads has all samples of some columns, at most 128, so that batch norm can follow at once.
#pragma once
#include "../../cuda/product.cuh"
#include "../batch_norm/norm.cuh"

/// The sums lie in shared memory, and the threads are those of batch norm: see norm.cuh.
template <class Precision> struct WholeColumns {
    using Tile = Blocking<Precision, 128, NORM_COLUMNS, 4, 2>;
    static_assert(Tile::THREADS == NORM_THREADS, "the threads of the product are those of the norm");
    /// From row to row: the lanes that write together are in different banks, but for pairs.
    static constexpr unsigned STRIDE = NORM_COLUMNS + 4;

    /// This thread's column.
    static __device__ __forceinline__ unsigned column(const Split &split) {
        return Tile::first_column(split) + threadIdx.x % NORM_COLUMNS;
    }
    /// The sum of a sample in this thread's column.
    static __device__ __forceinline__ float &sum(unsigned sample) {
        return shared<float>()[sample * STRIDE + threadIdx.x % NORM_COLUMNS];
    }
    /// What batch norm adds in, behind the sums.
    static __device__ __forceinline__ float *room() { return shared<float>() + Tile::ROWS * STRIDE; }

    /// Makes the sums.
    template <class A, class B>
    static __device__ __forceinline__ void product(const Split &split, const A &a, const B &b, unsigned depth) {
        const unsigned first = Tile::first_column(split);
        float *const sums = shared<float>();
        Tile::product(split, a, b, depth, [&](unsigned row, unsigned column, float sum) {
            sums[row * STRIDE + column - first] = sum;
        });
        __syncthreads();
    }
};
