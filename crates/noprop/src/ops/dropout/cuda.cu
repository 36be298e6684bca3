// y · mask, where the masks are not fused with what computes y.
#include "mask.cuh"

struct DropoutArguments {
    /// [K, samples · len].
    Rows y;
    DeviceStep step;
    std::uint64_t seed;
    /// Purpose of the stream: that of this dropout.
    std::uint32_t purpose;
    std::uint32_t threshold;
    float scale;
    std::uint32_t samples, len;
};

/// A thread has the 8 elements of one Philox block, so neighbours write neighbouring values.
/// Grid (⌈samples · ⌈len / 128⌉ · 16 / 128⌉, K).
KERNEL(dropout_forward, 128, DropoutArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    const unsigned blocks = (a.len + 127) / 128 * 16;
    const unsigned sample = i / blocks, block = i % blocks;
    if (sample >= a.samples) return;
    const Stream stream(a.seed, a.purpose, a.step.blocks[k], a.step.values->epoch, a.step.samples[sample]);
    const Words words = stream.words(block);
    float *y = a.y.row(k) + sample * a.len;
    for (unsigned part = 0; part < 8; part++) {
        const unsigned element = block / 16 * 128 + part * 16 + block % 16;
        const std::uint32_t bits = words.word[part % 4] >> part / 4 * 16 & 0xFFFFu;
        if (element < a.len) y[element] = bits >= a.threshold ? y[element] * a.scale : 0;
    }
}

/// The same by `dropout_factor`, which kernels that drop what they have just computed call. A thread has one element.
/// Grid (⌈samples · len / 128⌉, K).
KERNEL(dropout_factors, 128, DropoutArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i >= a.samples * a.len) return;
    const std::uint32_t sample = a.step.samples[i / a.len];
    const Stream stream(a.seed, a.purpose, a.step.blocks[k], a.step.values->epoch, sample);
    a.y.row(k)[i] *= dropout_factor(stream, i % a.len, a.threshold, a.scale);
}
