// Softmax over the classes of a sample, and its gradient; a warp has one sample.
#include "../../cuda/reduce.cuh"

struct SoftmaxArguments {
    /// [K, samples · classes].
    Rows logits, gradient, probabilities;
    std::uint32_t samples, classes;
};

/// p = exp(l − m) / Σ exp(l − m), m the greatest logit. Grid (⌈samples / 4⌉, K).
KERNEL(softmax_forward, 128, SoftmaxArguments) {
    const unsigned sample = blockIdx.x * 4 + threadIdx.x / 32, lane = threadIdx.x % 32;
    // The same for all lanes of a warp.
    if (sample >= a.samples) return;
    float *row = a.logits.row(blockIdx.y) + sample * a.classes;
    float most = -INFINITY, sum = 0;
    for (unsigned i = lane; i < a.classes; i += 32) most = fmaxf(most, row[i]);
    most = warp_max(most);
    for (unsigned i = lane; i < a.classes; i += 32) {
        row[i] = expf(row[i] - most);
        sum += row[i];
    }
    sum = warp_sum(sum);
    for (unsigned i = lane; i < a.classes; i += 32) row[i] /= sum;
}

/// dl = p · (dp − Σ dp · p). Grid (⌈samples / 4⌉, K).
KERNEL(softmax_backward, 128, SoftmaxArguments) {
    const unsigned sample = blockIdx.x * 4 + threadIdx.x / 32, lane = threadIdx.x % 32, k = blockIdx.y;
    if (sample >= a.samples) return;
    float *g = a.gradient.row(k) + sample * a.classes;
    const float *p = a.probabilities.row(k) + sample * a.classes;
    float inner = 0;
    for (unsigned i = lane; i < a.classes; i += 32) inner += g[i] * p[i];
    inner = warp_sum(inner);
    for (unsigned i = lane; i < a.classes; i += 32) g[i] = p[i] * (g[i] - inner);
}
