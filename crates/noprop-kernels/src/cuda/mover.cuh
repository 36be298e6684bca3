// The way of a factor's values from global memory through registers into shared memory, a stride of the depth at a time.
#pragma once
#include "factor.cuh"

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
        UNROLL for (unsigned i = 0; i < OWN; i++)
            line[i] = held_line<Precision>(factor.line(first + own_line() + i * (THREADS / QUADS)));
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
            line[i] = held_line<Precision>(factor.line(first + lines_of(i)));
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
