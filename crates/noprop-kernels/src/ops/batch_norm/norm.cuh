// Batch normalisation over the samples of a batch, for its own kernels and for those of fully connected layers. A block of
// threads has 32 columns (values of a sample) and 8 rows: row r adds samples r, r + 8, r + 16, … in this order, and the rows'
// sums are added by halves.
#pragma once
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

constexpr unsigned NORM_COLUMNS = 32, NORM_ROWS = 8, NORM_THREADS = NORM_COLUMNS * NORM_ROWS;

__device__ __forceinline__ float inverse_deviation(float variance, float epsilon) {
    return 1.0f / sqrtf(variance + epsilon);
}

/// γ (x − mean) / √(variance + ε) + β, given the inverse deviation; then ReLU if asked for.
__device__ __forceinline__ float normalised(float x, float mean, float inverse, float weight, float bias, unsigned relu) {
    const float value = weight * ((x - mean) * inverse) + bias;
    return relu && value < 0 ? 0 : value;
}

/// y of one value by the running statistics.
__device__ __forceinline__ float normalised_by_running(const BatchNormArguments &a, unsigned k, unsigned column, float x) {
    const float inverse = inverse_deviation(a.running_variance.row(k)[column], a.epsilon);
    return normalised(x, a.running_mean.row(k)[column], inverse, a.weight.row(k)[column], a.bias.row(k)[column], a.relu);
}

/// Calls `work` with each sample of this thread's row.
template <class Work> __device__ __forceinline__ void norm_each_sample(const BatchNormArguments &a, Work work) {
    for (unsigned sample = threadIdx.x / NORM_COLUMNS; sample < a.samples; sample += NORM_ROWS) work(sample);
}

/// The sum of `term(sample)` over this thread's column, by way of NORM_THREADS values of `room`. All threads of the block
/// call it.
template <class Term>
__device__ __forceinline__ float norm_column_sum(const BatchNormArguments &a, unsigned column, float *room, Term term) {
    float sum = 0;
    if (column < a.width) norm_each_sample(a, [&](unsigned sample) { sum += term(sample); });
    return tree_sum<NORM_THREADS, NORM_COLUMNS>(sum, room);
}

/// Training of one column: statistics of the batch, y, and running statistics. `x(sample)` is what is normalised. All threads
/// of the block call it.
template <class X>
__device__ __forceinline__ void norm_training(const BatchNormArguments &a, unsigned k, unsigned column, float *room, X x) {
    const float n = float(a.samples);
    const float mean = norm_column_sum(a, column, room, x) / n;
    const auto square = [&](unsigned sample) {
        const float centred = x(sample) - mean;
        return centred * centred;
    };
    const float variance = norm_column_sum(a, column, room, square) / n;
    if (column >= a.width) return;
    const float weight = a.weight.row(k)[column], bias = a.bias.row(k)[column];
    const float inverse = inverse_deviation(variance, a.epsilon);
    float *const y = a.y.row(k);
    norm_each_sample(a, [&](unsigned sample) {
        y[sample * a.width + column] = normalised(x(sample), mean, inverse, weight, bias, a.relu);
    });
    if (threadIdx.x >= NORM_COLUMNS) return;
    a.mean.row(k)[column] = mean;
    a.variance.row(k)[column] = variance;
    float &running_mean = a.running_mean.row(k)[column], &running_variance = a.running_variance.row(k)[column];
    running_mean = (1 - a.momentum) * running_mean + a.momentum * mean;
    running_variance = (1 - a.momentum) * running_variance + a.momentum * (a.unbias * variance);
}

/// Gradients of one column: dβ = Σ dy, dγ = Σ dy · x̂, dx = γ / √(variance + ε) · (dy − dβ / n − x̂ · dγ / n), where dy counts only
/// where y > 0 if ReLU followed. `dy(sample)` is the gradient of y. All threads of the block call it.
template <class Dy>
__device__ __forceinline__ void norm_backward(const BatchNormArguments &a, unsigned k, unsigned column, float *room, Dy dy) {
    const float *x = a.x.row(k), *y = a.y.row(k);
    float mean = 0, inverse = 0;
    if (column < a.width) {
        mean = a.mean.row(k)[column];
        inverse = inverse_deviation(a.variance.row(k)[column], a.epsilon);
    }
    const auto gradient = [&](unsigned sample) {
        return !a.relu || y[sample * a.width + column] > 0 ? dy(sample) : 0.0f;
    };
    const auto normal = [&](unsigned sample) { return (x[sample * a.width + column] - mean) * inverse; };
    const auto product = [&](unsigned sample) { return gradient(sample) * normal(sample); };
    const float d_bias = norm_column_sum(a, column, room, gradient);
    const float d_weight = norm_column_sum(a, column, room, product);
    if (column >= a.width) return;
    const float share = 1 / float(a.samples), scale = a.weight.row(k)[column] * inverse;
    float *const dx = a.dx.row(k);
    norm_each_sample(a, [&](unsigned sample) {
        const float rest = gradient(sample) - share * d_bias - normal(sample) * share * d_weight;
        dx[sample * a.width + column] = scale * rest;
    });
    if (threadIdx.x >= NORM_COLUMNS) return;
    a.d_weight.row(k)[column] = d_weight;
    a.d_bias.row(k)[column] = d_bias;
}
