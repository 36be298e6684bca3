// Layer normalisation of rows, with parameters or with a scale and a shift of each sample.
#include "../../cuda/reduce.cuh"

struct LayerNormArguments {
    /// [K, rows · width]; `to` is what a kernel writes: statistics, y or dx.
    Rows to, x, dy;
    /// [K, rows · 2]: mean and 1 / √(variance + ε) of each row.
    Rows statistics;
    /// What normalised rows are multiplied and moved by, y = x̂ · (base + scale) + shift: those of row r are r / rows_each · stride
    /// values further on. Their gradients in the last kernel.
    Rows scale, shift;
    float epsilon, base;
    std::uint32_t rows, width, rows_each, stride;
    /// Whether there is a scale.
    std::uint32_t scaled;

    /// base + scale of a value.
    __device__ __forceinline__ float factor(unsigned k, unsigned row, unsigned column) const {
        return scaled ? base + scale.row(k)[row / rows_each * stride + column] : 1.0f;
    }
};

/// Mean and inverse deviation of each row; a warp has one. Grid (⌈rows / 4⌉, K).
KERNEL(layer_norm_statistics, 128, LayerNormArguments) {
    const unsigned row = blockIdx.x * 4 + threadIdx.x / 32, lane = threadIdx.x % 32, k = blockIdx.y;
    // The same for all lanes of a warp.
    if (row >= a.rows) return;
    const float *x = a.x.row(k) + row * a.width;
    float sum = 0, squares = 0;
    for (unsigned i = lane; i < a.width; i += 32) sum += x[i];
    const float mean = warp_sum(sum) / float(a.width);
    for (unsigned i = lane; i < a.width; i += 32) squares += (x[i] - mean) * (x[i] - mean);
    const float variance = warp_sum(squares) / float(a.width);
    if (lane > 0) return;
    float *to = a.to.row(k) + row * 2;
    to[0] = mean;
    to[1] = 1.0f / sqrtf(variance + a.epsilon);
}

/// y = x̂ · (base + scale) + shift; a thread has one value. Grid (⌈rows · width / 256⌉, K).
KERNEL(layer_norm_forward, 256, LayerNormArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i >= a.rows * a.width) return;
    const unsigned row = i / a.width, column = i % a.width;
    const float *statistics = a.statistics.row(k) + row * 2;
    const float normal = (a.x.row(k)[i] - statistics[0]) * statistics[1];
    const float shift = a.scaled ? a.shift.row(k)[row / a.rows_each * a.stride + column] : 0.0f;
    a.to.row(k)[i] = normal * a.factor(k, row, column) + shift;
}

/// dx = inverse · (g − mean of g − x̂ · mean of g · x̂), g = dy · (base + scale); a warp has one row. Grid (⌈rows / 4⌉, K).
KERNEL(layer_norm_backward_data, 128, LayerNormArguments) {
    const unsigned row = blockIdx.x * 4 + threadIdx.x / 32, lane = threadIdx.x % 32, k = blockIdx.y;
    if (row >= a.rows) return;
    const float *x = a.x.row(k) + row * a.width, *dy = a.dy.row(k) + row * a.width;
    const float mean = a.statistics.row(k)[row * 2], inverse = a.statistics.row(k)[row * 2 + 1];
    float sum = 0, inner = 0;
    for (unsigned i = lane; i < a.width; i += 32) {
        const float gradient = dy[i] * a.factor(k, row, i);
        sum += gradient;
        inner += gradient * ((x[i] - mean) * inverse);
    }
    sum = warp_sum(sum) / float(a.width);
    inner = warp_sum(inner) / float(a.width);
    float *dx = a.to.row(k) + row * a.width;
    for (unsigned i = lane; i < a.width; i += 32)
        dx[i] = inverse * (dy[i] * a.factor(k, row, i) - sum - (x[i] - mean) * inverse * inner);
}

/// Gradients of scale and shift: sums over the rows that share them. A block of threads has 32 columns of such a group and 8 rows: row
/// r adds rows r, r + 8, r + 16, … of the group, and their sums are added by halves. Grid (groups · ⌈width / 32⌉, K).
KERNEL(layer_norm_backward_scaling, 256, LayerNormArguments) {
    const unsigned parts = (a.width + 31) / 32, group = blockIdx.x / parts, k = blockIdx.y;
    const unsigned column = blockIdx.x % parts * 32 + threadIdx.x % 32;
    float scale = 0, shift = 0;
    if (column < a.width) {
        for (unsigned r = threadIdx.x / 32; r < a.rows_each; r += 8) {
            const unsigned row = group * a.rows_each + r;
            const float *statistics = a.statistics.row(k) + row * 2;
            const float dy = a.dy.row(k)[row * a.width + column];
            scale += dy * ((a.x.row(k)[row * a.width + column] - statistics[0]) * statistics[1]);
            shift += dy;
        }
    }
    scale = tree_sum<256, 32>(scale, shared<float>());
    shift = tree_sum<256, 32>(shift, shared<float>());
    if (column >= a.width || threadIdx.x >= 32) return;
    a.scale.row(k)[group * a.stride + column] = scale;
    a.shift.row(k)[group * a.stride + column] = shift;
}
