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

    /// Whether anything is dropped.
    __device__ __forceinline__ bool drops() const { return threshold > 0; }

    /// The Philox block that holds an element's 16 bits, see `bits_at` in mod.rs. Eight elements share it: those of 128
    /// that are 16 apart.
    static __device__ __forceinline__ unsigned block_of(unsigned element) { return element / 128 * 16 + element % 16; }

    /// The bits of those eight in the batch's `sample`-th sample of the k-th of the blocks that run together.
    __device__ __forceinline__ Words bits(unsigned k, unsigned sample, unsigned philox_block) const {
        const Stream stream(seed, 16 + stage, step.blocks[k], step.values->epoch, step.samples[sample]);
        return stream.words(philox_block);
    }

    /// An element behind the dropout, given its bits.
    __device__ __forceinline__ float apply(const Words &bits, unsigned element, float value) const {
        const unsigned place = element / 16 % 8;
        const unsigned first = place % 2 == 0 ? bits.word[0] : bits.word[1];
        const unsigned second = place % 2 == 0 ? bits.word[2] : bits.word[3];
        const unsigned word = place % 4 < 2 ? first : second;
        return (word >> place / 4 * 16 & 0xFFFFu) >= threshold ? value * scale : 0.0f;
    }
};
