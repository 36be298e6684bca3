// A warp's tile of a product: tensor cores on a card, plain loops for F32 and in the emulation.
//
// Both factors lie in shared memory as lines (rows of a, columns of b) along the summed dimension, the depth, in words of 32
// bits: one f32, one TF32, or two bf16 that are neighbours in depth. Both tensor-core instructions then find their operands
// at the same words of a line, and a step of 8 words is 8 values deep for TF32 and 16 for bf16.
//
// Within a warp, lane = 4 · g + t (g = 0…7, t = 0…3). An instruction multiplies a sub-tile of 16 rows by 8 columns:
//   a (16 lines × 8 words)   a0 (g, t)   a1 (g + 8, t)   a2 (g, t + 4)   a3 (g + 8, t + 4)
//   b ( 8 lines × 8 words)   b0 (g, t)   b1 (g, t + 4)
//   sums (16 × 8 f32)        c0 (g, 2t)  c1 (g, 2t + 1)  c2 (g + 8, 2t)  c3 (g + 8, 2t + 1)
#pragma once
#include "prelude.cuh"

/// Words of a line that a tile multiplies at once.
constexpr unsigned LINE_WORDS = 16;
/// Words from line to line. With 20 the 8 lines × 4 words that a warp reads together lie in 32 different banks.
constexpr unsigned LINE_STRIDE = 20;

/// Four values that lie side by side, moved at once where the address allows.
struct alignas(16) Quad {
    float value[4];
};

struct alignas(16) QuadWord {
    std::uint32_t word[4];
};

/// What products multiply; sums are f32. `pack` rounds PER_WORD values into a word, `unpack` gives them back.
struct F32 {
    static constexpr unsigned PER_WORD = 1;
    static constexpr bool TENSOR_CORES = false;
    static __device__ __forceinline__ std::uint32_t pack(const float *value) { return __float_as_uint(value[0]); }
    static __device__ __forceinline__ void unpack(std::uint32_t word, float *value) { value[0] = __uint_as_float(word); }
};

/// 10 bits of mantissa, to nearest, ties away from zero.
struct Tf32 {
    static constexpr unsigned PER_WORD = 1;
    static constexpr bool TENSOR_CORES = true;
    static __device__ __forceinline__ std::uint32_t pack(const float *value) {
#ifdef __CUDACC__
        std::uint32_t word;
        asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(word) : "f"(value[0]));
        return word;
#else
        return (__float_as_uint(value[0]) + 0x1000u) & ~0x1FFFu;
#endif
    }
    static __device__ __forceinline__ void unpack(std::uint32_t word, float *value) { value[0] = __uint_as_float(word); }
};

/// 7 bits of mantissa, to nearest, ties to even. The first value is the lower half of the word.
struct Bf16 {
    static constexpr unsigned PER_WORD = 2;
    static constexpr bool TENSOR_CORES = true;
    static __device__ __forceinline__ std::uint32_t pack(const float *value) {
#ifdef __CUDACC__
        std::uint32_t word;
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(value[1]), "f"(value[0]));
        return word;
#else
        return half(value[0]) | half(value[1]) << 16;
#endif
    }
    static __device__ __forceinline__ void unpack(std::uint32_t word, float *value) {
        value[0] = __uint_as_float(word << 16);
        value[1] = __uint_as_float(word & 0xFFFF0000u);
    }
#ifndef __CUDACC__
    static std::uint32_t half(float value) {
        const std::uint32_t bits = __float_as_uint(value);
        if (value != value) return bits >> 16 | 0x40u;
        return (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;
    }
#endif
};

/// Four matrices of 8 lines × 4 words: lane l gives the address of line l % 8 of matrix l / 8 (16-byte aligned), and receives
/// word t of line g of each.
__device__ __forceinline__ void load_matrices(std::uint32_t (&matrix)[4], const std::uint32_t *line) {
#ifdef __CUDACC__
    const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(line));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(matrix[0]), "=r"(matrix[1]), "=r"(matrix[2]), "=r"(matrix[3])
                 : "r"(address)
                 : "memory");
#else
    const unsigned lane = lane_of_warp();
    for (unsigned m = 0; m < 4; m++) matrix[m] = __shfl_sync(~0u, line, int(8 * m + lane / 4))[lane % 4];
#endif
}

#ifndef __CUDACC__
/// c + Σ x · y as the tensor cores of capability 8.0 add it, the least exact of those that the kernels run on (M. Fasi et al.,
/// Numerical behavior of NVIDIA tensor cores, PeerJ CS 7:e330, 2021; F. Khattak and M. Mikaitis, Accurate models of NVIDIA tensor
/// cores, arXiv 2512.07004): of four products of TF32 or eight of bf16 and c, each is exact, is shifted to the greatest exponent
/// among them and cut off one bit behind the mantissa of an f32; their exact sum is cut off to an f32. So every error is towards 0.
template <unsigned TERMS> inline float truncated_sum(float c, const float *x, const float *y) {
    double term[TERMS + 1] = {c}, most = std::fabs(double(c));
    for (unsigned i = 0; i < TERMS; i++) {
        term[i + 1] = double(x[i]) * double(y[i]);
        most = std::fmax(most, std::fabs(term[i + 1]));
    }
    double sum = 0;
    for (const double each : term) sum += each;
    // No exponent to shift to, and values that are no numbers.
    if (most == 0 || !(std::fabs(sum) <= 3e38)) return float(sum);
    // 2^-24 of the greatest power of two in `most`, which leaves 23 bits behind its leading one, and one more.
    const std::uint64_t exponent = std::bit_cast<std::uint64_t>(most) >> 52;
    const double grain = std::bit_cast<double>((exponent - 24) << 52), grains = std::bit_cast<double>((2046 - (exponent - 24)) << 52);
    std::int64_t whole = 0;
    for (const double each : term) whole += std::int64_t(each * grains);
    // An f32 has 24 of the 53 bits of the exact sum.
    const double exact = double(whole);
    return float(std::bit_cast<double>(std::bit_cast<std::uint64_t>(exact) & ~std::uint64_t((1 << 29) - 1)) * grain);
}
#endif

/// sums += a · b for one sub-tile, in the layout at the head of this file.
template <class Precision>
__device__ __forceinline__ void multiply_add(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
#ifdef __CUDACC__
    if constexpr (Precision::PER_WORD == 1) {
        asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
            "{%0, %1, %2, %3};"
            : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    } else {
        asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
            "{%0, %1, %2, %3};"
            : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    }
#else
    const unsigned g = lane_of_warp() / 4, t = lane_of_warp() % 4;
    constexpr unsigned TERMS = 4 * Precision::PER_WORD;
    for (unsigned first = 0; first < 8; first += 4) {
        for (unsigned i = 0; i < 4; i++) {
            float x[TERMS], y[TERMS];
            for (unsigned word = 0; word < 4; word++) {
                // c_i is in row g + 8 · (i / 2), column 2t + i % 2.
                const unsigned of_a = 4 * g + word, of_b = 4 * (2 * t + i % 2) + word, at = word * Precision::PER_WORD;
                Precision::unpack(__shfl_sync(~0u, a[i / 2 + first / 2], int(of_a)), x + at);
                Precision::unpack(__shfl_sync(~0u, b[first / 4], int(of_b)), y + at);
            }
            c[i] = truncated_sum<TERMS>(c[i], x, y);
        }
    }
#endif
}

/// The sums of ROWS × COLUMNS values of a product, spread over the lanes of a warp.
template <class Precision, unsigned ROWS, unsigned COLUMNS> struct Tile {
    static_assert(ROWS % 16 == 0 && COLUMNS % 16 == 0);
    static constexpr unsigned DOWN = ROWS / 16, ACROSS = COLUMNS / 8;
#ifdef __CUDACC__
    static constexpr bool FRAGMENTS = Precision::TENSOR_CORES;
#else
    static constexpr bool FRAGMENTS = false;
#endif
    float sums[DOWN][ACROSS][4];

    __device__ __forceinline__ void clear() {
        UNROLL for (unsigned m = 0; m < DOWN; m++) {
            UNROLL for (unsigned n = 0; n < ACROSS; n++) {
                UNROLL for (unsigned i = 0; i < 4; i++) sums[m][n][i] = 0.0f;
            }
        }
    }

    /// Where a lane reads fragments, from the first line of a factor on.
    static __device__ __forceinline__ unsigned fragments_of_a() {
        return lane_of_warp() % 16 * LINE_STRIDE + lane_of_warp() / 16 * 4;
    }
    static __device__ __forceinline__ unsigned fragments_of_b() {
        return (lane_of_warp() / 16 * 8 + lane_of_warp() % 8) * LINE_STRIDE + lane_of_warp() / 8 % 2 * 4;
    }
    /// Where a lane reads what it multiplies.
    static __device__ __forceinline__ unsigned lane_of_a() { return FRAGMENTS ? fragments_of_a() : 0; }
    static __device__ __forceinline__ unsigned lane_of_b() { return FRAGMENTS ? fragments_of_b() : 0; }

    /// Adds the product of LINE_WORDS words of ROWS lines of a and of COLUMNS lines of b in shared memory. The factors are
    /// given by where this lane reads.
    __device__ __forceinline__ void multiply(const std::uint32_t *a, const std::uint32_t *b) {
        if constexpr (FRAGMENTS) {
            // Lanes may have come apart at the ends of a factor, and the instructions below want all of them.
            __syncwarp();
            multiply_fragments(a, b);
        } else
            multiply_values(a, b);
    }

    /// Each lane multiplies for its own sums.
    __device__ __forceinline__ void multiply_values(const std::uint32_t *a, const std::uint32_t *b) {
        constexpr unsigned DEPTH = 4 * Precision::PER_WORD;
        const unsigned g = lane_of_warp() / 4, t = lane_of_warp() % 4;
        UNROLL for (unsigned word = 0; word < LINE_WORDS; word += 4) {
            float y[ACROSS][2][DEPTH];
            UNROLL for (unsigned n = 0; n < ACROSS; n++) {
                UNROLL for (unsigned c = 0; c < 2; c++) unpack(y[n][c], b + (8 * n + 2 * t + c) * LINE_STRIDE + word);
            }
            UNROLL for (unsigned m = 0; m < 2 * DOWN; m++) {
                float x[DEPTH];
                unpack(x, a + (8 * m + g) * LINE_STRIDE + word);
                UNROLL for (unsigned n = 0; n < ACROSS; n++) {
                    UNROLL for (unsigned c = 0; c < 2; c++) {
                        float &sum = sums[m / 2][n][m % 2 * 2 + c];
#ifndef __CUDACC__
                        if constexpr (Precision::TENSOR_CORES) {
                            sum = truncated_sum<DEPTH>(sum, x, y[n][c]);
                            continue;
                        }
#endif
                        UNROLL for (unsigned d = 0; d < DEPTH; d++) sum += x[d] * y[n][c][d];
                    }
                }
            }
        }
    }

    /// The warp's tensor core multiplies.
    __device__ __forceinline__ void multiply_fragments(const std::uint32_t *a, const std::uint32_t *b) {
        // Matrices of a: upper and lower 8 lines at words 0…3, then at words 4…7. Of b: 8 lines at both, then the next 8.
        UNROLL for (unsigned word = 0; word < LINE_WORDS; word += 8) {
            std::uint32_t x[DOWN][4];
            UNROLL for (unsigned m = 0; m < DOWN; m++) load_matrices(x[m], a + 16 * m * LINE_STRIDE + word);
            UNROLL for (unsigned n = 0; n < ACROSS; n += 2) {
                std::uint32_t y[4];
                load_matrices(y, b + 8 * n * LINE_STRIDE + word);
                const std::uint32_t left[2] = {y[0], y[1]}, right[2] = {y[2], y[3]};
                UNROLL for (unsigned m = 0; m < DOWN; m++) {
                    multiply_add<Precision>(sums[m][n], x[m], left);
                    multiply_add<Precision>(sums[m][n + 1], x[m], right);
                }
            }
        }
    }

    /// Calls visit(row, column, sum) for each sum that this lane holds.
    template <class Visit> __device__ __forceinline__ void for_each(Visit visit) const {
        const unsigned g = lane_of_warp() / 4, t = lane_of_warp() % 4;
        UNROLL for (unsigned m = 0; m < DOWN; m++) {
            UNROLL for (unsigned n = 0; n < ACROSS; n++) {
                UNROLL for (unsigned i = 0; i < 4; i++) visit(16 * m + 8 * (i / 2) + g, 8 * n + 2 * t + i % 2, sums[m][n][i]);
            }
        }
    }

  private:
    static __device__ __forceinline__ void unpack(float *value, const std::uint32_t *words) {
        const QuadWord quad = *reinterpret_cast<const QuadWord *>(words);
        UNROLL for (unsigned w = 0; w < 4; w++) Precision::unpack(quad.word[w], value + w * Precision::PER_WORD);
    }
};
