// Dropout of what another kernel has computed.
#include "mask.cuh"

struct DropoutArguments {
    /// [K, samples · len].
    Rows y;
    DropoutMask mask;
    std::uint32_t samples, len;
};

/// A thread has the 8 elements of one Philox block, so that none is computed twice; neighbours have neighbouring elements.
/// Element = group · 128 + part · 16 + block. Grid (⌈samples · ⌈len / 128⌉ · 16 / 128⌉, K).
KERNEL(dropout_forward, 128, DropoutArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    const unsigned blocks = (a.len + 127) / 128 * 16;
    const unsigned sample = i / blocks, block = i % blocks;
    if (sample >= a.samples) return;
    const Words words = a.mask.stream(k, sample).words(block);
    float *y = a.y.row(k) + sample * a.len;
    UNROLL for (unsigned part = 0; part < 8; part++) {
        const unsigned element = block / 16 * 128 + part * 16 + block % 16;
        const std::uint32_t bits = words.word[part % 4] >> part / 4 * 16 & 0xFFFFu;
        if (element < a.len) y[element] = bits >= a.mask.threshold ? y[element] * a.mask.scale : 0;
    }
}
