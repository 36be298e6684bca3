// The kernels that make a batch: gathered samples, and noised labels.
#include "../../cuda/philox.cuh"

struct GatherArguments {
    /// [samples, input].
    float *x;
    /// [N, input].
    const void *pixels;
    DeviceStep step;
    std::uint32_t samples, input;
};

/// Grid (⌈input / 256⌉, samples).
KERNEL(gather_f32, 256, GatherArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, sample = blockIdx.y;
    if (i >= a.input) return;
    const float *from = static_cast<const float *>(a.pixels) + std::uint64_t(a.step.samples[sample]) * a.input;
    a.x[std::uint64_t(sample) * a.input + i] = from[i];
}

/// Bytes stand for values from 0 to 1. The quotient is that of the processor, bit for bit.
KERNEL(gather_u8, 256, GatherArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, sample = blockIdx.y;
    if (i >= a.input) return;
    const std::uint8_t *from =
        static_cast<const std::uint8_t *>(a.pixels) + std::uint64_t(a.step.samples[sample]) * a.input;
    a.x[std::uint64_t(sample) * a.input + i] = float(from[i]) / 255.0f;
}

struct NoisedLabelsArguments {
    /// [K, samples · width].
    Rows z;
    DeviceStep step;
    std::uint64_t seed;
    std::uint32_t purpose, samples, width;
};

/// z = √ᾱ · [class] + √(1 − ᾱ) · ε, in double precision as on the processor. Grid (⌈samples · width / 128⌉, K).
KERNEL(noised_labels, 128, NoisedLabelsArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i >= a.samples * a.width) return;
    const unsigned sample = i / a.width, element = i % a.width;
    const Stream stream(a.seed, a.purpose, a.step.blocks[k], a.step.values->epoch, a.step.samples[sample]);
    const double alpha_bar = a.step.alpha_bars[k];
    const double mean = element == a.step.classes[sample] ? sqrt(alpha_bar) : 0.0;
    a.z.row(k)[i] = float(mean + sqrt(1.0 - alpha_bar) * stream.normal(element));
}
