// A product of two factors by blocks of threads: c (rows × columns) = Σ over depth of a (row, depth) · b (depth, column).
//
// A block of threads makes ROWS × COLUMNS sums, each of its warps a tile of them. It walks the depth in strides of
// LINE_WORDS words: while the tensor cores multiply one stride out of shared memory, the next is on its way from global
// memory into registers. Every sum has the order of its depth, whatever runs beside it.
//
// The loop over the depth costs instructions beside those of the tensor cores, which bound it. So whatever does not change
// from stride to stride is `held`: the compiler would rather compute it anew than keep a register.
#pragma once
#include "mover.cuh"

/// How the blocks of a grid share a product: x is its tile (columns first), y its part of the depth, z = k. Mirrors `Split`
/// in product.rs.
struct Split {
    /// [K, parts, elements], or null where there is one part, which then writes the result itself.
    float *partial;
    std::uint32_t elements, depth_of_part, column_tiles;
    /// Where this block's partial sums lie.
    __device__ __forceinline__ float *part() const {
        return partial + (std::uint64_t(blockIdx.z) * gridDim.y + blockIdx.y) * elements;
    }
};

/// A gradient through a ReLU whose output is the gate, or through none.
__device__ __forceinline__ float behind_gate(const Rows &gate, unsigned k, unsigned at, float gradient) {
    return !gate.data || gate.row(k)[at] > 0 ? gradient : 0.0f;
}

/// Σ over the parts `[parts, elements]` of one block's product, in their order.
__device__ __forceinline__ float sum_of_parts_at(const float *partial, unsigned parts, unsigned elements, unsigned at) {
    float sum = 0.0f;
    for (unsigned part = 0; part < parts; part++) sum += partial[std::uint64_t(part) * elements + at];
    return sum;
}

/// A block of threads: DOWN × ACROSS warps, each with a tile.
template <class Precision_, unsigned ROWS_, unsigned COLUMNS_, unsigned DOWN, unsigned ACROSS> struct Blocking {
    using Precision = Precision_;
    static constexpr unsigned ROWS = ROWS_, COLUMNS = COLUMNS_, THREADS = 32 * DOWN * ACROSS;
    static constexpr unsigned WARP_ROWS = ROWS / DOWN, WARP_COLUMNS = COLUMNS / ACROSS;
    /// Words of one stride of both factors; shared memory holds two.
    static constexpr unsigned STAGE = (ROWS + COLUMNS) * LINE_STRIDE;

    static __device__ __forceinline__ unsigned first_row(const Split &split) {
        return blockIdx.x / split.column_tiles * ROWS;
    }
    static __device__ __forceinline__ unsigned first_column(const Split &split) {
        return blockIdx.x % split.column_tiles * COLUMNS;
    }

    /// Calls put(row, column, sum) for all of this block's rows and columns, inside of the result or not. Shared memory
    /// is then free.
    template <class A, class B, class Put>
    static __device__ __forceinline__ void product(const Split &split, const A &a, const B &b, unsigned depth, Put put) {
        Mover<Precision, COLUMNS, THREADS, B> right(b, first_column(split));
        run(split, a, right, depth, put);
    }

    /// The same, and put_sum(column, Σ over depth of b) in one of the blocks that have the column.
    template <class A, class B, class Put, class PutSum>
    static __device__ __forceinline__ void product_and_sums(const Split &split, const A &a, const B &b, unsigned depth,
                                                            Put put, PutSum put_sum) {
        Mover<Precision, COLUMNS, THREADS, B> right(b, first_column(split));
        run(split, a, right, depth, put);
        if (first_row(split) != 0) return;
        right.sum_lines(shared<float>(), [&](unsigned line, float sum) { put_sum(first_column(split) + line, sum); });
    }

  private:
    template <class A, class Right, class Put>
    static __device__ __forceinline__ void run(const Split &split, const A &a, Right &right, unsigned depth, Put put) {
        const unsigned begin = blockIdx.y * split.depth_of_part;
        const unsigned end = held<Precision>(depth - begin < split.depth_of_part ? depth : begin + split.depth_of_part);
        const unsigned warp = threadIdx.x / 32, row = warp % DOWN * WARP_ROWS, column = warp / DOWN * WARP_COLUMNS;
        Mover<Precision, ROWS, THREADS, A> left(a, first_row(split));
        Tile<Precision, WARP_ROWS, WARP_COLUMNS> tile;
        tile.clear();
        // Two loops, since the frequent one would carry the instructions and registers of the other: in fours as far as both
        // factors allow, then the rest. Without tensor cores the multiplication itself takes the time.
        if constexpr (Precision::TENSOR_CORES) {
            const unsigned fours = end_of_fours(begin, end, a.fours(), right.factor.fours());
            if (begin < fours) walk<true>(begin, fours, left, right, tile, row, column);
            if (fours < end) walk<false>(fours, end, left, right, tile, row, column);
        } else {
            walk<false>(begin, end, left, right, tile, row, column);
        }
        row_and_column(tile, first_row(split) + row, first_column(split) + column, put);
    }

    /// Where the strides end that both factors are read in fours in, if they are up to these depths.
    static __device__ __forceinline__ unsigned end_of_fours(unsigned begin, unsigned end, unsigned left, unsigned right) {
        constexpr unsigned STRIDE = LINE_WORDS * Precision::PER_WORD;
        const unsigned both = left < right ? left : right;
        if (both >= end) return end;
        // Parts begin at multiples of a stride.
        return both > begin ? both / STRIDE * STRIDE : begin;
    }

    /// Adds the product of the depths from `begin` to `end` to the warp's tile, which begins at `row` and `column`.
    template <bool FOURS, class Left, class Right, class T>
    static __device__ __forceinline__ void walk(unsigned begin, unsigned end, Left &left, Right &right, T &tile,
                                                unsigned row, unsigned column) {
        constexpr unsigned STRIDE = LINE_WORDS * Precision::PER_WORD;
        std::uint32_t *now = shared<std::uint32_t>(), *next = now + STAGE;
        const unsigned of_a = held<Precision>(row * LINE_STRIDE + T::lane_of_a());
        const unsigned of_b = held<Precision>((ROWS + column) * LINE_STRIDE + T::lane_of_b());
        left.template fetch<FOURS>(begin);
        right.template fetch<FOURS>(begin);
        left.store(now);
        right.store(now + ROWS * LINE_STRIDE);
        __syncthreads();
        for (unsigned at = begin; at < end; at += STRIDE) {
            COUNT_STRIDE(FOURS);
            const bool more = at + STRIDE < end;
            if (more) {
                left.template fetch<FOURS>(at + STRIDE);
                right.template fetch<FOURS>(at + STRIDE);
            }
            tile.multiply(now + of_a, now + of_b);
            if (more) {
                left.store(next);
                right.store(next + ROWS * LINE_STRIDE);
            }
            __syncthreads();
            std::uint32_t *const done = now;
            now = next;
            next = done;
        }
    }

    template <class T, class Put>
    static __device__ __forceinline__ void row_and_column(const T &tile, unsigned row, unsigned column, Put put) {
        tile.for_each([&](unsigned r, unsigned c, float sum) { put(row + r, column + c, sum); });
    }
};
