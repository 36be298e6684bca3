// The streams of Forward-Forward, and the goodness of its layers.
#include "../../cuda/reduce.cuh"

struct ForwardForwardArguments {
    /// What a kernel writes: y, da, or the state. [K, rows · width].
    Rows to;
    /// The samples, or a; the labels' signs z.
    Rows from, labels;
    /// Which has the running means, from value `means` on.
    Rows state;
    std::uint32_t rows, samples, width, before, classes, streams, means;
    /// Of a mean: what stays, and the share of a sample. Of a loss: the factor of the peer normalisation.
    float keep, share, peer;

    __device__ __forceinline__ float rectified(float value) const { return value > 0 ? value : 0; }
    /// What a row of squares sum to `sum` is multiplied by, so that it has length √width.
    __device__ __forceinline__ float factor(float sum) const { return 1.0f / (sqrtf(sum / float(width)) + 1e-8f); }
};

/// One value of a sample with its label.
__device__ __forceinline__ float forward_forward_value(const ForwardForwardArguments &a, unsigned k, unsigned i) {
    const unsigned row = blockIdx.x, stream = row / a.samples, sample = row % a.samples;
    if (i >= a.classes) return a.from.row(k)[sample * (a.width - a.before) + i - a.before];
    if (stream + 1 == a.streams) return 1.0f / float(a.classes);
    return a.labels.row(k)[sample * a.classes + i] == (stream == 0 ? 1.0f : -1.0f) ? 1.0f : 0.0f;
}

/// A block of threads has one row. Grid (rows, K).
KERNEL(forward_forward_streams, 256, ForwardForwardArguments) {
    const unsigned k = blockIdx.y;
    float *to = a.to.row(k) + blockIdx.x * a.width;
    float sum = 0;
    for (unsigned i = threadIdx.x; i < a.width; i += 256) {
        const float value = forward_forward_value(a, k, i);
        sum += value * value;
    }
    const float factor = a.factor(tree_sum<256, 1>(sum, shared<float>()));
    for (unsigned i = threadIdx.x; i < a.width; i += 256) to[i] = factor * forward_forward_value(a, k, i);
}

/// A block of threads has one row. Grid (rows, K).
KERNEL(forward_forward_normalise, 256, ForwardForwardArguments) {
    const unsigned k = blockIdx.y;
    const float *from = a.from.row(k) + blockIdx.x * a.width;
    float *to = a.to.row(k) + blockIdx.x * a.width;
    float sum = 0;
    for (unsigned i = threadIdx.x; i < a.width; i += 256) sum += a.rectified(from[i]) * a.rectified(from[i]);
    const float factor = a.factor(tree_sum<256, 1>(sum, shared<float>()));
    for (unsigned i = threadIdx.x; i < a.width; i += 256) to[i] = factor * a.rectified(from[i]);
}

/// A thread has one mean, and adds the samples in their order. Grid (⌈width / 256⌉, K).
KERNEL(forward_forward_means, 256, ForwardForwardArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i >= a.width) return;
    const float *from = a.from.row(k) + i;
    float *mean = a.to.row(k) + a.means + i;
    float sum = a.keep * *mean;
    for (unsigned sample = 0; sample < a.samples; sample++) sum += a.share * a.rectified(from[sample * a.width]);
    *mean = sum;
}

/// A block of threads has one row, and computes the mean of all means for itself. Grid (rows, K).
KERNEL(forward_forward_loss, 256, ForwardForwardArguments) {
    const unsigned k = blockIdx.y;
    const bool is_right = blockIdx.x < a.samples;
    const float *from = a.from.row(k) + blockIdx.x * a.width, *means = a.state.row(k) + a.means;
    float *to = a.to.row(k) + blockIdx.x * a.width;
    float sum = 0, of_means = 0;
    for (unsigned i = threadIdx.x; i < a.width; i += 256) {
        sum += a.rectified(from[i]) * a.rectified(from[i]);
        of_means += means[i];
    }
    const float logit = tree_sum<256, 1>(sum, shared<float>()) - float(a.width);
    const float mean = tree_sum<256, 1>(of_means, shared<float>()) / float(a.width);
    const float factor = (1.0f / (1.0f + expf(-logit)) - (is_right ? 1.0f : 0.0f)) / float(a.samples);
    for (unsigned i = threadIdx.x; i < a.width; i += 256) {
        to[i] = factor * a.rectified(from[i]) + (is_right ? a.peer * (means[i] - mean) : 0.0f);
    }
}
