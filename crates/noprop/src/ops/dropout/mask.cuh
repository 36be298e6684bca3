// The masks of dropout, as `bits_at` and `apply` in mod.rs and reference.rs define them: 16 bits an element of a sample, of
// which 128 share 16 Philox blocks. Element within = half · 64 + word · 16 + block.
#pragma once
#include "../../cuda/philox.cuh"

/// What an element is multiplied by: 0 if its bits are below the threshold, else `scale`.
__device__ __forceinline__ float dropout_factor(const Stream &stream, std::uint32_t element, std::uint32_t threshold,
                                                float scale) {
    const std::uint32_t within = element % 128;
    const Words words = stream.words(element / 128 * 16 + within % 16);
    const std::uint32_t bits = words.word[within / 16 % 4] >> within / 64 * 16 & 0xFFFFu;
    return bits >= threshold ? scale : 0.0f;
}
