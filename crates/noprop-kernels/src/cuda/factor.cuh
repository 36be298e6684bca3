// A factor of a product.
//
// A factor says where its values lie and in which direction they are neighbours in memory, so that neighbouring threads read
// neighbours, four values at once where that is allowed. Its lines are the rows of a or the columns of b:
//   line(n)                     the place of a line; of one outside of the factor that of another, since nobody reads its sums
//   depth(n), inside(depth)     the place of a depth, and whether the factor has it; else its values are 0
//   fours()                     the depth up to which four values are read at once, of all lines
//   in_fours(n)                 whether they are at depth n
//   fetch(raw, line, depth)     four neighbours from there on, as they lie in memory
//   fetch(raw, i, line, depth)  the i-th of four, where neighbours may be apart
//   value(raw, i)               what the i-th stands for; asked for only after the multiplication, so that nobody waits
// A factor may also lie in memory as the words that the tile multiplies (PACKED): then four neighbours are a Packed, at every
// place, and there is nothing to ask for.
#pragma once
#include "tile.cuh"

constexpr unsigned NOWHERE = 0xFFFFFFFFu;

/// Says that a pointer is to global memory, which loads need to know where the compiler lost sight of where it came from.
template <class T> __device__ __forceinline__ const T *global(const T *data) {
#ifdef __CUDACC__
    __builtin_assume(__isGlobal(data));
#endif
    return data;
}

/// A number, or a pointer to global memory, that stays in registers, unless sums without tensor cores need them all.
template <class Precision> __device__ __forceinline__ unsigned held(unsigned value) {
#ifdef __CUDACC__
    if constexpr (Precision::TENSOR_CORES) asm("" : "+r"(value));
#endif
    return value;
}
template <class Precision, class T> __device__ __forceinline__ const T *held(const T *data) {
#ifdef __CUDACC__
    if constexpr (Precision::TENSOR_CORES) asm("" : "+l"(data));
#endif
    return global(data);
}

/// A factor's line that stays in registers where it is a number; the compiler would make it anew at every stride.
template <class Precision, class Line> __device__ __forceinline__ Line held_line(Line line) { return line; }
template <class Precision> __device__ __forceinline__ unsigned held_line(unsigned line) { return held<Precision>(line); }

/// Lines or depths a constant stride apart.
struct Strided {
    std::uint32_t count, stride;
    __device__ __forceinline__ unsigned operator()(unsigned n) const { return n < count ? n * stride : NOWHERE; }
};

/// The place, or another that can be read.
__device__ __forceinline__ unsigned somewhere(unsigned place) { return place == NOWHERE ? 0 : place; }

/// n / divisor for n below 2^31 without a division. Mirrors `Divisor` in product.rs.
struct Divisor {
    std::uint32_t divisor, multiplier, shift;
    __device__ __forceinline__ unsigned divide(unsigned n) const { return (__umulhi(n, multiplier) + n) >> shift; }
};

/// Four neighbours of a factor that lies in memory in words.
template <class Precision> struct alignas(16 / Precision::PER_WORD) Packed {
    static constexpr unsigned WORDS = 4 / Precision::PER_WORD;
    std::uint32_t word[WORDS];
};

/// Those from value `at` on, a multiple of four.
template <class Precision>
__device__ __forceinline__ Packed<Precision> packed(const std::uint32_t *data, unsigned at) {
    return reinterpret_cast<const Packed<Precision> *>(data)[at / 4];
}

/// Four values in words.
template <class Precision> __device__ __forceinline__ Packed<Precision> packed_of(const float *value) {
    Packed<Precision> four;
    UNROLL for (unsigned w = 0; w < four.WORDS; w++) four.word[w] = Precision::pack(value + w * Precision::PER_WORD);
    return four;
}

/// The word of the j-th of four lines, from the four values that lie side by side at each of its depths.
template <class Precision>
__device__ __forceinline__ std::uint32_t across(const Packed<Precision> (&at)[Precision::PER_WORD], unsigned j) {
    if constexpr (Precision::PER_WORD == 1) {
        return at[0].word[j];
    } else {
        const std::uint32_t first = at[0].word[j / 2], second = at[1].word[j / 2];
        return j % 2 ? first >> 16 | (second & 0xFFFF0000u) : (first & 0xFFFFu) | second << 16;
    }
}

/// A factor in words, at `line + depth`, which are multiples of four.
template <class Precision, bool ALONG, class Lines, class Depths> struct InWords {
    static constexpr bool ALONG_DEPTH = ALONG, PACKED = true;
    using Line = unsigned;
    using Depth = unsigned;
    using Raw = Packed<Precision>;
    const std::uint32_t *data;
    Lines lines;
    Depths depths;
    __device__ __forceinline__ Line line(unsigned n) const { return somewhere(lines(n)); }
    __device__ __forceinline__ Depth depth(unsigned n) const { return depths(n); }
    __device__ __forceinline__ bool inside(Depth depth) const { return depth != NOWHERE; }
    __device__ __forceinline__ unsigned fours() const { return NOWHERE; }
    __device__ __forceinline__ bool in_fours(unsigned) const { return true; }
    __device__ __forceinline__ void fetch(Raw &raw, Line line, Depth depth) const {
        raw = packed<Precision>(data, line + depth);
    }
};

/// Values of a factor that are what lies in memory, at `data + line + depth`.
template <bool ALONG, class Lines, class Depths> struct Plain {
    static constexpr bool ALONG_DEPTH = ALONG, PACKED = false;
    using Line = unsigned;
    using Depth = unsigned;
    using Raw = Quad;
    const float *data;
    Lines lines;
    Depths depths;
    bool vector;
    __device__ __forceinline__ Line line(unsigned n) const { return somewhere(lines(n)); }
    __device__ __forceinline__ Depth depth(unsigned n) const { return depths(n); }
    __device__ __forceinline__ bool inside(Depth depth) const { return depth != NOWHERE; }
    __device__ __forceinline__ unsigned fours() const { return vector ? NOWHERE : 0; }
    __device__ __forceinline__ bool in_fours(unsigned) const { return vector; }
    __device__ __forceinline__ void fetch(Raw &raw, Line line, Depth depth) const {
        raw = *reinterpret_cast<const Quad *>(data + (line + depth));
    }
    __device__ __forceinline__ void fetch(Raw &raw, unsigned i, Line line, Depth depth) const {
        raw.value[i] = data[line + depth];
    }
    __device__ __forceinline__ float value(const Raw &raw, unsigned i) const { return raw.value[i]; }
};
