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
    const Words bits = a.mask.bits(k, sample, block);
    float *y = a.y.row(k) + sample * a.len;
    UNROLL for (unsigned part = 0; part < 8; part++) {
        const unsigned element = block / 16 * 128 + part * 16 + block % 16;
        if (element < a.len) y[element] = a.mask.apply(bits, element, y[element]);
    }
}
