// Counter-based random numbers, bit for bit those of rng.rs.
#pragma once
#include "prelude.cuh"

struct Words {
    std::uint32_t word[4];
};

/// One Philox 4x32-10 block.
__device__ __forceinline__ Words philox(Words counter, std::uint32_t key0, std::uint32_t key1) {
    for (int round = 0; round < 10; round++) {
        if (round > 0) {
            key0 += 0x9E3779B9u;
            key1 += 0xBB67AE85u;
        }
        const std::uint32_t *c = counter.word;
        const std::uint32_t high_a = __umulhi(0xD2511F53u, c[0]), low_a = 0xD2511F53u * c[0];
        const std::uint32_t high_b = __umulhi(0xCD9E8D57u, c[2]), low_b = 0xCD9E8D57u * c[2];
        counter = {{high_b ^ c[1] ^ key0, low_b, high_a ^ c[3] ^ key1, low_a}};
    }
    return counter;
}

/// The stream of one (seed, purpose, block, epoch, sample); see `Stream` in rng.rs.
struct Stream {
    std::uint32_t key0, key1, sample, epoch, purpose_and_block;
    __device__ __forceinline__ Stream(std::uint64_t seed, std::uint32_t purpose, std::uint32_t block,
                                      std::uint32_t epoch, std::uint32_t sample)
        : key0(std::uint32_t(seed)), key1(std::uint32_t(seed >> 32)), sample(sample), epoch(epoch),
          purpose_and_block(purpose << 16 | block) {}
    __device__ __forceinline__ Words words(std::uint32_t index) const {
        return philox({{index, sample, epoch, purpose_and_block}}, key0, key1);
    }
    /// A standard normal deviate at `index`, in double precision as on the processor.
    __device__ __forceinline__ double normal(std::uint32_t index) const {
        const Words w = words(index / 2);
        const double u1 = (double(w.word[0]) + 1.0) / 4294967296.0;
        const double u2 = double(w.word[1]) / 4294967296.0;
        const double radius = sqrt(-2.0 * log(u1)), angle = 6.283185307179586476925286766559 * u2;
        return index % 2 == 0 ? radius * cos(angle) : radius * sin(angle);
    }
};
