// y = (1 − k) z + k û with k = tanh(w), and the gradients.
#include "../../cuda/reduce.cuh"

struct MixArguments {
    /// [K, len]: what is written, or dx; z; û; dy.
    Rows y, z, estimate, dy;
    /// [K, state] and [K, parameters], which have w and its gradient at `slot`.
    Rows state, gradients;
    std::uint32_t slot, len, of_estimate, unused;
};

__device__ __forceinline__ float mix_share(const MixArguments &a, unsigned k) {
    return 1 - 2 / (expf(2 * a.state.row(k)[a.slot]) + 1);
}

/// A thread has one value. Grid (⌈len / 256⌉, K).
KERNEL(mix_forward, 256, MixArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i >= a.len) return;
    const float z = a.z.row(k)[i];
    a.y.row(k)[i] = z + mix_share(a, k) * (a.estimate.row(k)[i] - z);
}

/// Grid (⌈len / 256⌉, K).
KERNEL(mix_backward, 256, MixArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i >= a.len) return;
    const float share = mix_share(a, k);
    a.y.row(k)[i] = (a.of_estimate != 0 ? share : 1 - share) * a.dy.row(k)[i];
}

/// Thread r adds values r, r + 256, … in this order, and the threads' sums are added by halves. Grid (1, K).
KERNEL(mix_backward_share, 256, MixArguments) {
    const unsigned k = blockIdx.y;
    const float *dy = a.dy.row(k), *z = a.z.row(k), *estimate = a.estimate.row(k);
    float sum = 0;
    for (unsigned i = threadIdx.x; i < a.len; i += 256) sum += dy[i] * (estimate[i] - z[i]);
    sum = tree_sum<256, 1>(sum, shared<float>());
    const float share = mix_share(a, k);
    if (threadIdx.x == 0) a.gradients.row(k)[a.slot] = (1 - share * share) * sum;
}
