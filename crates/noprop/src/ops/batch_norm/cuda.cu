// Batch normalisation by itself, and its gradients; see norm.cuh.
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

/// dβ = Σ dy, dγ = Σ dy · x̂, dx = γ / √(variance + ε) · (dy − dβ / n − x̂ · dγ / n), where dy counts only where y > 0 if ReLU
/// followed. Grid (⌈width / 32⌉, K).
KERNEL(batch_norm_backward, NORM_THREADS, BatchNormArguments) {
    const unsigned column = blockIdx.x * NORM_COLUMNS + threadIdx.x % NORM_COLUMNS, k = blockIdx.y;
    const float *x = a.x.row(k), *y = a.y.row(k), *dy = a.dy.row(k);
    float mean = 0, inverse = 0;
    if (column < a.width) {
        mean = a.mean.row(k)[column];
        inverse = inverse_deviation(a.variance.row(k)[column], a.epsilon);
    }
    const auto at = [&](unsigned sample) { return sample * a.width + column; };
    const auto gradient = [&](unsigned sample) { return !a.relu || y[at(sample)] > 0 ? dy[at(sample)] : 0.0f; };
    const auto normal = [&](unsigned sample) { return (x[at(sample)] - mean) * inverse; };
    const float d_bias = norm_column_sum(a, column, shared<float>(), gradient);
    const auto product = [&](unsigned sample) { return gradient(sample) * normal(sample); };
    const float d_weight = norm_column_sum(a, column, shared<float>(), product);
    if (column >= a.width) return;
    const float share = 1 / float(a.samples), scale = a.weight.row(k)[column] * inverse;
    float *dx = a.dx.row(k);
    norm_each_sample(a, [&](unsigned sample) {
        dx[at(sample)] = scale * (gradient(sample) - share * d_bias - normal(sample) * share * d_weight);
    });
    if (threadIdx.x >= NORM_COLUMNS) return;
    a.d_weight.row(k)[column] = d_weight;
    a.d_bias.row(k)[column] = d_bias;
}
