// The blocks' loss and its gradient. Classes and weights are those of the running step.
#include "../../cuda/reduce.cuh"

struct SquaredErrorArguments {
    /// [K, 1].
    Rows loss;
    /// [K, samples · width].
    Rows gradient, estimate;
    DeviceStep step;
    std::uint32_t samples, width;
};

__device__ __forceinline__ float squared_error_term(const SquaredErrorArguments &a, const float *estimate, unsigned i) {
    return estimate[i] - (i % a.width == a.step.classes[i / a.width] ? 1.0f : 0.0f);
}

/// Thread r adds values r, r + 256, … in this order, and the threads' sums are added by halves. Grid (1, K).
KERNEL(squared_error_forward, 256, SquaredErrorArguments) {
    const unsigned k = blockIdx.y;
    const float *estimate = a.estimate.row(k);
    float sum = 0;
    for (unsigned i = threadIdx.x; i < a.samples * a.width; i += 256) {
        const float error = squared_error_term(a, estimate, i);
        sum += error * error;
    }
    sum = tree_sum<256, 1>(sum, shared<float>());
    if (threadIdx.x == 0) *a.loss.row(k) = sum / float(a.samples);
}

/// Grid (⌈samples · width / 256⌉, K).
KERNEL(squared_error_backward, 256, SquaredErrorArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i >= a.samples * a.width) return;
    const float scale = a.step.weights[k] * (2.0f / float(a.samples));
    a.gradient.row(k)[i] = scale * squared_error_term(a, a.estimate.row(k), i);
}
