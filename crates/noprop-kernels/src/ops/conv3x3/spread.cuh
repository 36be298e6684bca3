// The gradient of a convolution's own output, spread out once for the two products that it is a factor of: what of dy passes
// dropout, ReLU and pooling, in words of what the products multiply. See pool.rs.
//
//   da [samples, conv height, conv width, padded]    channels rounded up to fours, with 0 beyond cout
//
// The factor of the dropout is left to whoever sums them.
#pragma once
#include "../../cuda/product.cuh"

/// The gradients that a pixel of the input (lines) is under: those of the 9 outputs around it and their channels (depths).
template <class Precision> struct SpreadOverInputs {
    static constexpr bool ALONG_DEPTH = true, PACKED = true;
    using Raw = Packed<Precision>;
    struct Line {
        /// Row and column of the pixel of the input, and where da of the first tap lies: before da where it is outside.
        unsigned row, column, place;
    };
    struct Depth {
        /// Row and column of the tap, and how far before the first tap's channels its own lie.
        unsigned row, column, before;
    };
    const std::uint32_t *data;
    /// Pixels of the input of all samples; used rows and columns of the convolution.
    std::uint32_t inputs, conv_height, conv_width;
    Divisor by_sample, by_row, by_channels;
    __device__ __forceinline__ unsigned fours() const { return NOWHERE; }
    __device__ __forceinline__ bool in_fours(unsigned) const { return true; }
    __device__ __forceinline__ Line line(unsigned n) const {
        const unsigned pixel = n < inputs ? n : 0;
        const unsigned sample = by_sample.divide(pixel), within = pixel - sample * by_sample.divisor;
        const unsigned row = by_row.divide(within), column = within - row * by_row.divisor;
        return {row, column, ((sample * conv_height + row) * conv_width + column) * by_channels.divisor};
    }
    __device__ __forceinline__ Depth depth(unsigned n) const {
        const unsigned tap = by_channels.divide(n), channel = n - tap * by_channels.divisor;
        // A third, for taps up to the tenth.
        const unsigned row = tap * 11 >> 5, column = tap - 3 * row;
        return {row, column, (row * conv_width + column) * by_channels.divisor - channel};
    }
    __device__ __forceinline__ bool inside(Depth depth) const { return depth.row < 3; }
    __device__ __forceinline__ void fetch(Raw &raw, Line line, Depth depth) const {
        raw = {};
        // Below zero wraps to far above.
        if ((line.row - depth.row < conv_height) & (line.column - depth.column < conv_width))
            raw = packed<Precision>(data, line.place - depth.before);
    }
};
