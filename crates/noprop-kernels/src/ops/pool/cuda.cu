// Pooling of windows of 2×2 pixels, and of all positions of a sample.
#include "../../cuda/prelude.cuh"

struct PoolArguments {
    /// [K, samples · height · width · channels]: x, and its gradient.
    Rows x, dx;
    /// [K, samples · ⌊height / 2⌋ · ⌊width / 2⌋ · channels]: y, and its gradient.
    Rows y, dy;
    std::uint32_t samples, height, width, channels;
    /// Whether a window's mean is taken, and not its greatest value.
    std::uint32_t mean;
};

/// The greater of two, the first of equals; NaN if one is.
__device__ __forceinline__ float pool_greater(float a, float b) { return b > a || b != b ? b : a; }

/// A thread has one value of y. Grid (⌈values of y / 256⌉, K).
KERNEL(pool_forward, 256, PoolArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    const unsigned rows = a.height / 2, columns = a.width / 2;
    if (i >= a.samples * rows * columns * a.channels) return;
    const unsigned channel = i % a.channels, column = i / a.channels % columns;
    const unsigned row = i / a.channels / columns % rows, sample = i / a.channels / columns / rows;
    const float *upper =
        a.x.row(k) + ((sample * a.height + 2 * row) * a.width + 2 * column) * a.channels + channel;
    const float *lower = upper + a.width * a.channels;
    const float b = upper[a.channels], d = lower[a.channels];
    a.y.row(k)[i] = a.mean ? ((*upper + b) + (*lower + d)) * 0.25f
                           : pool_greater(pool_greater(*upper, b), pool_greater(*lower, d));
}

/// A thread has one value of dx. Grid (⌈values of x / 256⌉, K).
KERNEL(pool_backward, 256, PoolArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i >= a.samples * a.height * a.width * a.channels) return;
    const unsigned rows = a.height / 2, columns = a.width / 2;
    const unsigned channel = i % a.channels, x_of = i / a.channels % a.width;
    const unsigned y_of = i / a.channels / a.width % a.height, sample = i / a.channels / a.width / a.height;
    float &dx = a.dx.row(k)[i];
    if (y_of / 2 >= rows || x_of / 2 >= columns) {
        dx = 0;
        return;
    }
    const unsigned from = ((sample * rows + y_of / 2) * columns + x_of / 2) * a.channels + channel;
    const float dy = a.dy.row(k)[from];
    if (a.mean) {
        dx = dy * 0.25f;
        return;
    }
    // The first of the window's greatest values gets the gradient.
    const float *x = a.x.row(k), y = a.y.row(k)[from];
    const unsigned place = y_of % 2 * 2 + x_of % 2;
    const unsigned first = i - (y_of % 2 * a.width + x_of % 2) * a.channels;
    bool wins = x[i] == y;
    for (unsigned before = 0; before < place; before++)
        wins = wins && x[first + (before / 2 * a.width + before % 2) * a.channels] != y;
    dx = wins ? dy : 0;
}

struct GlobalMeanArguments {
    /// [K, samples · positions · channels]: x or its gradient; [K, samples · channels]: y or its gradient.
    Rows x, y;
    std::uint32_t samples, positions, channels;
};

/// A thread has one value of y. Grid (⌈samples · channels / 256⌉, K).
KERNEL(global_mean_forward, 256, GlobalMeanArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i >= a.samples * a.channels) return;
    const float *x = a.x.row(k) + i / a.channels * a.positions * a.channels + i % a.channels;
    float sum = 0;
    for (unsigned position = 0; position < a.positions; position++) sum += x[position * a.channels];
    a.y.row(k)[i] = sum / float(a.positions);
}

/// A thread has one value of dx. Grid (⌈samples · positions · channels / 256⌉, K).
KERNEL(global_mean_backward, 256, GlobalMeanArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    const unsigned each = a.positions * a.channels;
    if (i >= a.samples * each) return;
    a.x.row(k)[i] = a.y.row(k)[i / each * a.channels + i % a.channels] / float(a.positions);
}
