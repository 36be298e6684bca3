// The mask of a dropout, for the kernel that drops and for those that drop what they have just computed.
#pragma once
#include "../../cuda/philox.cuh"

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

    /// Random numbers of the batch's `sample`-th sample in the k-th of the blocks that run together.
    __device__ __forceinline__ Stream stream(unsigned k, unsigned sample) const {
        return Stream(seed, 16 + stage, step.blocks[k], step.values->epoch, step.samples[sample]);
    }
    /// `value` of an element of the batch's `sample`-th sample behind the dropout of the k-th of the blocks that run together.
    /// The element's 16 bits lie where `bits_at` in mod.rs says.
    __device__ __forceinline__ float apply(unsigned k, unsigned sample, unsigned element, float value) const {
        if (threshold == 0) return value;
        const unsigned within = element % 128;
        const Words words = stream(k, sample).words(element / 128 * 16 + within % 16);
        const unsigned low = within / 16 % 2 == 0 ? words.word[0] : words.word[1];
        const unsigned high = within / 16 % 2 == 0 ? words.word[2] : words.word[3];
        const unsigned word = within / 32 % 2 == 0 ? low : high;
        return (word >> within / 64 * 16 & 0xFFFFu) >= threshold ? value * scale : 0.0f;
    }
};
