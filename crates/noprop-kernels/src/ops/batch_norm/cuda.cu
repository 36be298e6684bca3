// Batch normalisation by itself; see norm.cuh.
#include "norm.cuh"

/// Statistics of the batch, y, and running statistics. Grid (⌈width / 32⌉, K).
KERNEL(batch_norm_training, NORM_THREADS, BatchNormArguments) {
    const unsigned column = blockIdx.x * NORM_COLUMNS + threadIdx.x % NORM_COLUMNS, k = blockIdx.y;
    const float *x = a.x.row(k);
    norm_training(a, k, column, shared<float>(), [&](unsigned sample) { return x[sample * a.width + column]; });
}

/// y by the running statistics. Grid (⌈samples · width / 256⌉, K).
KERNEL(batch_norm_evaluation, 256, BatchNormArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i >= a.samples * a.width) return;
    a.y.row(k)[i] = normalised_by_running(a, k, i % a.width, a.x.row(k)[i]);
}

/// Gradients of x and of the parameters. Grid (⌈width / 32⌉, K).
KERNEL(batch_norm_backward, NORM_THREADS, BatchNormArguments) {
    const unsigned column = blockIdx.x * NORM_COLUMNS + threadIdx.x % NORM_COLUMNS, k = blockIdx.y;
    const float *dy = a.dy.row(k);
    norm_backward(a, k, column, shared<float>(), [&](unsigned sample) { return dy[sample * a.width + column]; });
}
