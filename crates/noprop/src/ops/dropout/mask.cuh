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

/// What makes the masks of a step. Mirrors `Mask` in mask.rs.
struct DropoutMask {
    std::uint64_t seed;
    DeviceStep step;
    /// Factor of the values that are kept.
    float scale;
    /// Values with bits below this are dropped; 0 without dropout.
    std::uint32_t threshold;
    /// Which dropout of the block this is, from 0.
    std::uint32_t stage;

    /// `value` of an element of the batch's `sample`-th sample behind the dropout of the k-th of the blocks that run together.
    /// The element's 16 bits lie where `bits_at` in mod.rs says.
    __device__ __forceinline__ float apply(unsigned k, unsigned sample, unsigned element, float value) const {
        if (threshold == 0) return value;
        const Stream stream(seed, 16 + stage, step.blocks[k], step.values->epoch, step.samples[sample]);
        const unsigned within = element % 128;
        const Words words = stream.words(element / 128 * 16 + within % 16);
        const unsigned low = within / 16 % 2 == 0 ? words.word[0] : words.word[1];
        const unsigned high = within / 16 % 2 == 0 ? words.word[2] : words.word[3];
        const unsigned word = within / 32 % 2 == 0 ? low : high;
        return (word >> within / 64 * 16 & 0xFFFFu) >= threshold ? value * scale : 0.0f;
    }
};
