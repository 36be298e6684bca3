// A learned vector added to every sample, and its gradient.
#include "../../cuda/prelude.cuh"

struct PositionsArguments {
    /// [K, samples · len]: y, or its gradient.
    Rows samples_of;
    /// [K, len]: the vector, or its gradient.
    Rows parameter;
    std::uint32_t samples, len;
};

/// y[sample, i] += parameter[i]; a thread has one value. Grid (⌈samples · len / 256⌉, K).
KERNEL(positions_forward, 256, PositionsArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i < a.samples * a.len) a.samples_of.row(k)[i] += a.parameter.row(k)[i % a.len];
}

/// Σ dy over the samples in their order; a thread has one value of the vector. Grid (⌈len / 256⌉, K).
KERNEL(positions_backward_weights, 256, PositionsArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i >= a.len) return;
    const float *dy = a.samples_of.row(k);
    float sum = 0;
    for (unsigned sample = 0; sample < a.samples; sample++) sum += dy[sample * a.len + i];
    a.parameter.row(k)[i] = sum;
}
