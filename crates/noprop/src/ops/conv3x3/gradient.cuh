// The gradient of a convolution's output, read off what the stage keeps: dy, y and the winners. See pool.rs.
#pragma once
#include "../../cuda/product.cuh"

/// Values of dy that pass dropout, ReLU and pooling: where y > 0, and the place in its window is the winner's. The factor of
/// the dropout is left to whoever sums them.
struct Gradient {
    const float *dy, *y, *winners;
    /// Whether there are winners.
    bool pool;

    /// Four values, their y, and their windows' winners; the place that a winner must have. What lies outside has a place that
    /// no winner has, and reads the first values of all: a load that must not be left out needs no branch.
    struct Raw {
        Quad dy, y, winner;
        float place;
    };
    __device__ __forceinline__ void fetch4(Raw &raw, unsigned at, unsigned place) const {
        const unsigned inside = at == NOWHERE ? 0 : at;
        raw.dy = *reinterpret_cast<const Quad *>(dy + inside);
        raw.y = *reinterpret_cast<const Quad *>(y + inside);
        raw.winner = {};
        if (pool) raw.winner = *reinterpret_cast<const Quad *>(winners + inside);
        raw.place = at == NOWHERE ? -1.0f : float(place);
    }
    /// Each of the four has a place of its own, so what is kept is how far its winner is from it.
    __device__ __forceinline__ void fetch1(Raw &raw, unsigned i, unsigned at, unsigned place) const {
        const unsigned inside = at == NOWHERE ? 0 : at;
        raw.dy.value[i] = dy[inside];
        raw.y.value[i] = y[inside];
        raw.winner.value[i] = at == NOWHERE ? 1.0f : pool ? winners[inside] - float(place) : 0.0f;
        raw.place = 0.0f;
    }
    static __device__ __forceinline__ float masked(const Raw &raw, unsigned i) {
        return raw.y.value[i] > 0.0f && raw.winner.value[i] == raw.place ? raw.dy.value[i] : 0.0f;
    }
};

/// The gradients of the channels (lines) at the used pixels of the convolution (depths), the four of a window together.
struct GradientOfPixels : Gradient {
    static constexpr bool ALONG_DEPTH = false;
    using Line = unsigned;
    struct Depth {
        unsigned at, place;
    };
    /// Channels, and used pixels of all samples.
    std::uint32_t cout, pixels;
    bool vector;
    __device__ __forceinline__ bool in_fours(unsigned) const { return vector; }
    __device__ __forceinline__ Line line(unsigned n) const { return n < cout ? n : NOWHERE; }
    __device__ __forceinline__ Depth depth(unsigned n) const {
        if (n >= pixels) return {NOWHERE, 0};
        return pool ? Depth{n / 4 * cout, n % 4} : Depth{n * cout, 0};
    }
    __device__ __forceinline__ void fetch(Raw &raw, Line line, Depth depth) const {
        fetch4(raw, place(line, depth), depth.place);
    }
    __device__ __forceinline__ void fetch(Raw &raw, unsigned i, Line line, Depth depth) const {
        fetch1(raw, i, place(line, depth), depth.place);
    }
    __device__ __forceinline__ float value(const Raw &raw, unsigned i) const { return masked(raw, i); }

  private:
    static __device__ __forceinline__ unsigned place(Line line, Depth depth) {
        return (line == NOWHERE) | (depth.at == NOWHERE) ? NOWHERE : depth.at + line;
    }
};

/// The gradients that a pixel of the input (lines) is under: those of the 9 outputs around it and their channels (depths).
struct GradientOverInputs : Gradient {
    static constexpr bool ALONG_DEPTH = true;
    struct Line {
        /// The sample's first value of y; row and column of the pixel.
        unsigned sample, row, column;
    };
    struct Depth {
        /// Row and column of the tap, and the channel.
        unsigned row, column, channel;
    };
    /// Pixels of the input of all samples; rows and columns of the convolution that are used; columns of the output.
    std::uint32_t inputs, conv_height, conv_width, out_width;
    Divisor by_sample, by_row, by_channels;
    bool vector;
    __device__ __forceinline__ bool in_fours(unsigned) const { return vector; }
    __device__ __forceinline__ Line line(unsigned n) const {
        // A row that no tap brings back to one of the convolution's.
        if (n >= inputs) return {0, 1u << 30, 0};
        const unsigned sample = by_sample.divide(n), within = n - sample * by_sample.divisor;
        const unsigned row = by_row.divide(within);
        const unsigned windows = pool ? conv_height * conv_width / 4 : conv_height * conv_width;
        return {sample * windows * by_channels.divisor, row, within - row * by_row.divisor};
    }
    __device__ __forceinline__ Depth depth(unsigned n) const {
        const unsigned tap = by_channels.divide(n);
        // Taps beyond the ninth are in rows beyond the third, which reach no output either.
        if (tap >= 9) return {1u << 29, 0, 0};
        return {tap / 3, tap % 3, n - tap * by_channels.divisor};
    }
    __device__ __forceinline__ void fetch(Raw &raw, Line line, Depth depth) const {
        const Place at = place(line, depth);
        fetch4(raw, at.at, at.place);
    }
    __device__ __forceinline__ void fetch(Raw &raw, unsigned i, Line line, Depth depth) const {
        const Place at = place(line, depth);
        fetch1(raw, i, at.at, at.place);
    }
    __device__ __forceinline__ float value(const Raw &raw, unsigned i) const { return masked(raw, i); }

  private:
    struct Place {
        unsigned at, place;
    };
    __device__ __forceinline__ Place place(Line line, Depth depth) const {
        // Below zero wraps to far above.
        const unsigned row = line.row - depth.row, column = line.column - depth.column;
        if ((row >= conv_height) | (column >= conv_width)) return {NOWHERE, 0};
        const unsigned half = pool ? 1 : 0;
        const unsigned at = line.sample + ((row >> half) * out_width + (column >> half)) * by_channels.divisor + depth.channel;
        return {at, (row & half) * 2 + (column & half)};
    }
};
