// Batch normalisation over the samples of a batch. A block of threads has 32 columns (values of a sample) and 8 rows: row r
// adds samples r, r + 8, r + 16, … in this order, and the rows' sums are added by halves.
#include "../../cuda/reduce.cuh"

struct BatchNormArguments {
    /// [K, samples · width].
    Rows x, y, dx, dy;
    /// [K, width] each: the batch's mean and biased variance, parameters, running statistics, gradients of the parameters.
    Rows mean, variance, weight, bias, running_mean, running_variance, d_weight, d_bias;
    /// Number of samples by that less one, which turns a biased variance into an unbiased one.
    float unbias;
    float momentum, epsilon;
    std::uint32_t samples, width, relu;
};

constexpr unsigned NORM_COLUMNS = 32, NORM_ROWS = 8;

/// The sum of `term(index of a value)` over the samples of this thread's column. All threads of the block call it.
template <class Term>
__device__ __forceinline__ float norm_column_sum(const BatchNormArguments &a, unsigned column, Term term) {
    float sum = 0;
    if (column < a.width)
        for (unsigned sample = threadIdx.x / NORM_COLUMNS; sample < a.samples; sample += NORM_ROWS)
            sum += term(sample * a.width + column);
    return tree_sum<NORM_COLUMNS * NORM_ROWS, NORM_COLUMNS>(sum, shared<float>());
}

__device__ __forceinline__ float inverse_deviation(float variance, float epsilon) {
    return 1.0f / sqrtf(variance + epsilon);
}

/// Statistics of the batch, y = γ (x − mean) / √(variance + ε) + β with ReLU if asked for, and running statistics.
/// Grid (⌈width / 32⌉, K).
KERNEL(batch_norm_training, 256, BatchNormArguments) {
    const unsigned column = blockIdx.x * NORM_COLUMNS + threadIdx.x % NORM_COLUMNS;
    const unsigned row = threadIdx.x / NORM_COLUMNS, k = blockIdx.y;
    const float *x = a.x.row(k);
    float *y = a.y.row(k);
    const float n = float(a.samples);
    const float mean = norm_column_sum(a, column, [&](unsigned i) { return x[i]; }) / n;
    const float variance = norm_column_sum(a, column, [&](unsigned i) { return (x[i] - mean) * (x[i] - mean); }) / n;
    if (column >= a.width) return;
    const float weight = a.weight.row(k)[column], bias = a.bias.row(k)[column];
    const float inverse = inverse_deviation(variance, a.epsilon);
    for (unsigned sample = row; sample < a.samples; sample += NORM_ROWS) {
        const unsigned i = sample * a.width + column;
        const float value = weight * ((x[i] - mean) * inverse) + bias;
        y[i] = a.relu && value < 0 ? 0 : value;
    }
    if (row > 0) return;
    a.mean.row(k)[column] = mean;
    a.variance.row(k)[column] = variance;
    float &running_mean = a.running_mean.row(k)[column], &running_variance = a.running_variance.row(k)[column];
    running_mean = (1 - a.momentum) * running_mean + a.momentum * mean;
    running_variance = (1 - a.momentum) * running_variance + a.momentum * (a.unbias * variance);
}

/// y by the running statistics. Grid (⌈samples · width / 256⌉, K).
KERNEL(batch_norm_evaluation, 256, BatchNormArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i >= a.samples * a.width) return;
    const unsigned column = i % a.width;
    const float inverse = inverse_deviation(a.running_variance.row(k)[column], a.epsilon);
    const float normal = (a.x.row(k)[i] - a.running_mean.row(k)[column]) * inverse;
    const float value = a.weight.row(k)[column] * normal + a.bias.row(k)[column];
    a.y.row(k)[i] = a.relu && value < 0 ? 0 : value;
}

/// dβ = Σ dy, dγ = Σ dy · x̂, dx = γ / √(variance + ε) · (dy − dβ / n − x̂ · dγ / n), where dy counts only where y > 0 if ReLU
/// followed. Grid (⌈width / 32⌉, K).
KERNEL(batch_norm_backward, 256, BatchNormArguments) {
    const unsigned column = blockIdx.x * NORM_COLUMNS + threadIdx.x % NORM_COLUMNS;
    const unsigned row = threadIdx.x / NORM_COLUMNS, k = blockIdx.y;
    const float *x = a.x.row(k), *y = a.y.row(k), *dy = a.dy.row(k);
    float mean = 0, inverse = 0;
    if (column < a.width) {
        mean = a.mean.row(k)[column];
        inverse = inverse_deviation(a.variance.row(k)[column], a.epsilon);
    }
    const auto gradient = [&](unsigned i) { return !a.relu || y[i] > 0 ? dy[i] : 0.0f; };
    const float d_bias = norm_column_sum(a, column, gradient);
    const auto product = [&](unsigned i) { return gradient(i) * ((x[i] - mean) * inverse); };
    const float d_weight = norm_column_sum(a, column, product);
    if (column >= a.width) return;
    const float share = 1 / float(a.samples), scale = a.weight.row(k)[column] * inverse;
    float *dx = a.dx.row(k);
    for (unsigned sample = row; sample < a.samples; sample += NORM_ROWS) {
        const unsigned i = sample * a.width + column;
        const float normal = (x[i] - mean) * inverse;
        dx[i] = scale * (gradient(i) - share * d_bias - normal * share * d_weight);
    }
    if (row > 0) return;
    a.d_weight.row(k)[column] = d_weight;
    a.d_bias.row(k)[column] = d_bias;
}
