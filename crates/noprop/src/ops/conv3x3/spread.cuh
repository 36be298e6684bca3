// The gradient of a convolution's own output, spread out once for the two products that it is a factor of: what of dy passes
// dropout, ReLU and pooling, in words of what the products multiply. See pool.rs.
//
//   da [used pixels, padded]    pixels in the order of UsedPixels, channels rounded up to fours with 0 beyond cout
//
// The factor of the dropout is left to whoever sums them.
#pragma once
#include "../../cuda/product.cuh"

/// The gradients that a pixel of the input (lines) is under: those of the 9 outputs around it and their channels (depths).
template <class Precision> struct SpreadOverInputs {
    static constexpr bool ALONG_DEPTH = true, PACKED = true;
    using Raw = Packed<Precision>;
    struct Line {
        /// The sample's first pixel of da; row and column of the pixel of the input.
        unsigned sample, row, column;
    };
    struct Depth {
        /// Row and column of the tap, and the channel.
        unsigned row, column, channel;
    };
    const std::uint32_t *data;
    /// Pixels of the input of all samples; rows and columns of the convolution that are used; 1 with pooling.
    std::uint32_t inputs, conv_height, conv_width, pool;
    Divisor by_sample, by_row, by_channels;
    __device__ __forceinline__ bool in_fours() const { return true; }
    __device__ __forceinline__ bool in_fours(unsigned) const { return true; }
    __device__ __forceinline__ Line line(unsigned n) const {
        // A row that no tap brings back to one of the convolution's.
        if (n >= inputs) return {0, 1u << 30, 0};
        const unsigned sample = by_sample.divide(n), within = n - sample * by_sample.divisor;
        const unsigned row = by_row.divide(within);
        return {sample * conv_height * conv_width, row, within - row * by_row.divisor};
    }
    __device__ __forceinline__ Depth depth(unsigned n) const {
        const unsigned tap = by_channels.divide(n);
        // Taps beyond the ninth are in rows beyond the third, which reach no output either.
        if (tap >= 9) return {1u << 29, 0, 0};
        return {tap / 3, tap % 3, n - tap * by_channels.divisor};
    }
    __device__ __forceinline__ void fetch(Raw &raw, Line line, Depth depth) const {
        raw = {};
        // Below zero wraps to far above.
        const unsigned row = line.row - depth.row, column = line.column - depth.column;
        if ((row < conv_height) & (column < conv_width)) {
            // The four of a window lie together.
            const unsigned before = (row >> pool) * (conv_width << pool) + (column >> pool << 2 * pool);
            const unsigned place = pool ? row % 2 * 2 + column % 2 : 0;
            raw = packed<Precision>(data, (line.sample + before + place) * by_channels.divisor + depth.channel);
        }
    }
};
