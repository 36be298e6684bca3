// A product of two factors by blocks of threads: c (rows × columns) = Σ over depth of a (row, depth) · b (depth, column).
//
// A block of threads makes ROWS × COLUMNS sums, each of its warps a tile of them. It walks the depth in strides of
// LINE_WORDS words: while the tensor cores multiply one stride out of shared memory, the next is on its way from global
// memory into registers. Every sum has the order of its depth, whatever runs beside it.
//
// A factor says where its values lie and in which direction they are neighbours in memory, so that neighbouring threads read
// neighbours, four values at once where that is allowed. Its lines are the rows of a or the columns of b:
//   line(n)                     the place of a line; of one outside of the factor that of another, since nobody reads its sums
//   depth(n), inside(depth)     the place of a depth, and whether the factor has it; else its values are 0
//   in_fours()                  whether four values are read at once everywhere
//   in_fours(n)                 whether they are at depth n
//   fetch(raw, line, depth)     four neighbours from there on, as they lie in memory
//   fetch(raw, i, line, depth)  the i-th of four, where neighbours may be apart
//   value(raw, i)               what the i-th stands for; asked for only after the multiplication, so that nobody waits
// A factor may also lie in memory as the words that the tile multiplies (PACKED): then four neighbours are a Packed, at every
// place, and there is nothing to ask for.
//
// The loop over the depth costs instructions beside those of the tensor cores, which bound it. So whatever does not change
// from stride to stride is `held`: the compiler would rather compute it anew than keep a register.
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
    __device__ __forceinline__ bool in_fours() const { return true; }
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
    __device__ __forceinline__ bool in_fours() const { return vector; }
    __device__ __forceinline__ bool in_fours(unsigned) const { return vector; }
    __device__ __forceinline__ void fetch(Raw &raw, Line line, Depth depth) const {
        raw = *reinterpret_cast<const Quad *>(data + (line + depth));
    }
    __device__ __forceinline__ void fetch(Raw &raw, unsigned i, Line line, Depth depth) const {
        raw.value[i] = data[line + depth];
    }
    __device__ __forceinline__ float value(const Raw &raw, unsigned i) const { return raw.value[i]; }
};

/// The threads' way of bringing LINES lines of a factor into shared memory.
template <class Precision, unsigned LINES, unsigned THREADS, class Factor, bool ALONG = Factor::ALONG_DEPTH> struct Mover;

/// Neighbours in depth: a thread moves four values of a line, threads beside it the next four.
template <class Precision, unsigned LINES, unsigned THREADS, class Factor>
struct Mover<Precision, LINES, THREADS, Factor, true> {
    static constexpr unsigned WORDS = Packed<Precision>::WORDS, QUADS = LINE_WORDS / WORDS;
    static constexpr unsigned ALL = LINES * QUADS, OWN = (ALL + THREADS - 1) / THREADS;
    static_assert(THREADS % (8 * QUADS) == 0, "a thread's quads have the same depth, and eight lines are dealt out together");
    const Factor &factor;
    typename Factor::Line line[OWN];
    typename Factor::Raw raw[OWN];
    /// Where the first four go, from the first line on.
    const unsigned place;

    __device__ __forceinline__ Mover(const Factor &factor, unsigned first)
        : factor(factor), place(held<Precision>(own_line() * LINE_STRIDE + threadIdx.x % QUADS * WORDS)) {
        UNROLL for (unsigned i = 0; i < OWN; i++) line[i] = factor.line(first + own_line() + i * (THREADS / QUADS));
    }
    template <bool FOURS> __device__ __forceinline__ void fetch(unsigned depth) {
        depth += threadIdx.x % QUADS * 4;
        if (FOURS || factor.in_fours(depth)) {
            const typename Factor::Depth at = factor.depth(depth);
            if (factor.inside(at)) {
                UNROLL for (unsigned i = 0; i < OWN; i++) {
                    if (mine(i)) factor.fetch(raw[i], line[i], at);
                }
            } else {
                UNROLL for (unsigned i = 0; i < OWN; i++) raw[i] = {};
            }
            return;
        }
        if constexpr (!Factor::PACKED) {
            UNROLL for (unsigned i = 0; i < OWN; i++) raw[i] = {};
            UNROLL for (unsigned j = 0; j < 4; j++) {
                const typename Factor::Depth at = factor.depth(depth + j);
                if (!factor.inside(at)) continue;
                UNROLL for (unsigned i = 0; i < OWN; i++) {
                    if (mine(i)) factor.fetch(raw[i], j, line[i], at);
                }
            }
        }
    }
    __device__ __forceinline__ void store(std::uint32_t *lines) const {
        UNROLL for (unsigned i = 0; i < OWN; i++) {
            if (!mine(i)) continue;
            Packed<Precision> &to =
                *reinterpret_cast<Packed<Precision> *>(lines + place + i * (THREADS / QUADS * LINE_STRIDE));
            if constexpr (Factor::PACKED) {
                to = raw[i];
            } else {
                float value[4];
                UNROLL for (unsigned j = 0; j < 4; j++) value[j] = factor.value(raw[i], j);
                to = packed_of<Precision>(value);
            }
        }
    }

    /// The first line of a thread. Of eight lines those that are stored together are four apart, which is half of the banks.
    static __device__ __forceinline__ unsigned own_line() {
        const unsigned n = threadIdx.x / QUADS;
        return n / 8 * 8 + n % 2 * 4 + n / 2 % 4;
    }

  private:
    static __device__ __forceinline__ bool mine(unsigned i) {
        return ALL % THREADS == 0 || threadIdx.x + i * THREADS < ALL;
    }
};

/// Neighbours across lines: a thread moves a word of four lines. A warp takes 8 lines × 16 words: whole sectors of global
/// memory, and all banks of shared memory.
template <class Precision, unsigned LINES, unsigned THREADS, class Factor>
struct Mover<Precision, LINES, THREADS, Factor, false> {
    static constexpr unsigned DEPTHS = Precision::PER_WORD;
    static constexpr unsigned ALL = LINES / 4 * LINE_WORDS, OWN = (ALL + THREADS - 1) / THREADS;
    const Factor &factor;
    const unsigned first;
    /// The first of each four.
    typename Factor::Line line[OWN];
    typename Factor::Raw raw[OWN][DEPTHS];
    /// Sums of the values of this thread's lines at its depths; of a factor that is not in words, before they are rounded.
    float sums[OWN][4];
    /// Where the word of the first line goes, from the first line on.
    const unsigned place;

    __device__ __forceinline__ Mover(const Factor &factor, unsigned first)
        : factor(factor), first(first), place(held<Precision>(lines_of(0) * LINE_STRIDE + word())) {
        UNROLL for (unsigned i = 0; i < OWN; i++) {
            line[i] = factor.line(first + lines_of(i));
            UNROLL for (unsigned j = 0; j < 4; j++) sums[i][j] = 0.0f;
        }
    }
    template <bool FOURS> __device__ __forceinline__ void fetch(unsigned depth) {
        UNROLL for (unsigned d = 0; d < DEPTHS; d++) {
            const typename Factor::Depth at = factor.depth(depth + word() * DEPTHS + d);
            if (!factor.inside(at)) {
                UNROLL for (unsigned i = 0; i < OWN; i++) raw[i][d] = {};
            } else if (FOURS || factor.in_fours(depth)) {
                UNROLL for (unsigned i = 0; i < OWN; i++) {
                    if (mine(i)) factor.fetch(raw[i][d], line[i], at);
                }
            } else if constexpr (!Factor::PACKED) {
                UNROLL for (unsigned i = 0; i < OWN; i++) {
                    if (!mine(i)) continue;
                    // Looked up each time, which is rare, since four places would fill registers that are never used otherwise.
                    UNROLL for (unsigned j = 0; j < 4; j++)
                        factor.fetch(raw[i][d], j, factor.line(first + lines_of(i) + j), at);
                }
            }
        }
    }
    __device__ __forceinline__ void store(std::uint32_t *lines) {
        UNROLL for (unsigned i = 0; i < OWN; i++) {
            if (!mine(i)) continue;
            UNROLL for (unsigned j = 0; j < 4; j++) {
                float value[DEPTHS];
                std::uint32_t &to = lines[place + (i * (THREADS / 32 * 8) + j) * LINE_STRIDE];
                if constexpr (Factor::PACKED) {
                    to = across<Precision>(raw[i], j);
                    Precision::unpack(to, value);
                } else {
                    UNROLL for (unsigned d = 0; d < DEPTHS; d++) value[d] = factor.value(raw[i][d], j);
                    to = Precision::pack(value);
                }
                UNROLL for (unsigned d = 0; d < DEPTHS; d++) sums[i][j] += value[d];
            }
        }
    }
    /// Calls put(line, sum of the line over the whole depth) for every line, by way of LINE_WORDS × LINES f32 of `scratch`
    /// that nobody reads any more.
    template <class Put> __device__ __forceinline__ void sum_lines(float *scratch, Put put) const {
        UNROLL for (unsigned i = 0; i < OWN; i++) {
            UNROLL for (unsigned j = 0; j < 4; j++) {
                if (mine(i)) scratch[word() * LINES + lines_of(i) + j] = sums[i][j];
            }
        }
        __syncthreads();
        for (unsigned line = threadIdx.x; line < LINES; line += THREADS) {
            float sum = 0.0f;
            for (unsigned w = 0; w < LINE_WORDS; w++) sum += scratch[w * LINES + line];
            put(line, sum);
        }
    }

  private:
    static __device__ __forceinline__ bool mine(unsigned i) {
        return ALL % THREADS == 0 || threadIdx.x + i * THREADS < ALL;
    }
    static __device__ __forceinline__ unsigned word() { return threadIdx.x / 2 % LINE_WORDS; }
    /// The first line of the i-th four.
    static __device__ __forceinline__ unsigned lines_of(unsigned i) {
        const unsigned n = threadIdx.x + i * THREADS;
        return 4 * (n % 2 + n / 32 * 2);
    }
};

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
        // Two loops, since the frequent one would carry the instructions and registers of the other. Without tensor cores
        // the multiplication itself takes the time.
        if (Precision::TENSOR_CORES && a.in_fours() && right.factor.in_fours())
            walk<true>(begin, end, left, right, tile, row, column);
        else
            walk<false>(begin, end, left, right, tile, row, column);
        row_and_column(tile, first_row(split) + row, first_column(split) + column, put);
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
