// A convolution without activation by its definition, in f32 whatever products multiply; shapes in mod.rs.
#include "../../cuda/factor.cuh"
#include "../../cuda/reduce.cuh"

struct ConvArguments {
    /// y is what a forward pass writes, and dy what the gradients read.
    Rows x, y, dx, weight, bias, d_weight, d_bias;
    std::uint32_t samples, height, width, cin, cout, kernel, stride, pad, out_height, out_width;
};

constexpr unsigned CONV_COLUMNS = 32, CONV_THREADS = 256;

/// Where the pixel of x under a tap of a pixel of y begins; NOWHERE outside.
__device__ __forceinline__ unsigned conv_input(const ConvArguments &a, unsigned pixel, unsigned tap) {
    const unsigned within = pixel % (a.out_height * a.out_width), sample = pixel / (a.out_height * a.out_width);
    // What lies before x wraps around, far beyond it.
    const unsigned row = within / a.out_width * a.stride + tap / a.kernel - a.pad;
    const unsigned column = within % a.out_width * a.stride + tap % a.kernel - a.pad;
    if (row >= a.height || column >= a.width) return NOWHERE;
    return ((sample * a.height + row) * a.width + column) * a.cin;
}

/// Where the pixel of y begins that a tap reads a pixel of x for; NOWHERE if there is none.
__device__ __forceinline__ unsigned conv_output(const ConvArguments &a, unsigned pixel, unsigned tap) {
    const unsigned within = pixel % (a.height * a.width), sample = pixel / (a.height * a.width);
    const unsigned row = within / a.width + a.pad - tap / a.kernel, column = within % a.width + a.pad - tap % a.kernel;
    if (row % a.stride != 0 || column % a.stride != 0) return NOWHERE;
    if (row / a.stride >= a.out_height || column / a.stride >= a.out_width) return NOWHERE;
    return ((sample * a.out_height + row / a.stride) * a.out_width + column / a.stride) * a.cout;
}

/// A thread makes one value of y. Grid (⌈samples · output / 256⌉, K).
KERNEL(conv_forward, CONV_THREADS, ConvArguments) {
    const unsigned at = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    const unsigned pixel = at / a.cout, channel = at % a.cout;
    if (pixel >= a.samples * a.out_height * a.out_width) return;
    const float *const x = a.x.row(k), *const w = a.weight.row(k) + channel;
    float sum = a.bias.data ? a.bias.row(k)[channel] : 0.0f;
    for (unsigned tap = 0; tap < a.kernel * a.kernel; tap++) {
        const unsigned from = conv_input(a, pixel, tap);
        if (from == NOWHERE) continue;
        for (unsigned i = 0; i < a.cin; i++) sum += x[from + i] * w[(tap * a.cin + i) * a.cout];
    }
    a.y.row(k)[at] = sum;
}

/// A thread makes one value of dx. Grid (⌈samples · input / 256⌉, K).
KERNEL(conv_backward_data, CONV_THREADS, ConvArguments) {
    const unsigned at = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    const unsigned pixel = at / a.cin, channel = at % a.cin;
    if (pixel >= a.samples * a.height * a.width) return;
    const float *const dy = a.y.row(k), *const w = a.weight.row(k) + channel * a.cout;
    float sum = 0.0f;
    for (unsigned tap = 0; tap < a.kernel * a.kernel; tap++) {
        const unsigned from = conv_output(a, pixel, tap);
        if (from == NOWHERE) continue;
        for (unsigned o = 0; o < a.cout; o++) sum += dy[from + o] * w[tap * a.cin * a.cout + o];
    }
    a.dx.row(k)[at] = sum;
}

/// A block of threads makes 32 columns of a row of dw or, behind its last row, of the bias's gradient: 8 threads a column take every
/// 8th pixel each, and their sums are added by halves. Grid (rows · ⌈cout / 32⌉, K).
KERNEL(conv_backward_weights, CONV_THREADS, ConvArguments) {
    const unsigned k = blockIdx.y, tiles = (a.cout + CONV_COLUMNS - 1) / CONV_COLUMNS;
    const unsigned row = blockIdx.x / tiles, rows = a.kernel * a.kernel * a.cin;
    const unsigned column = blockIdx.x % tiles * CONV_COLUMNS + threadIdx.x % CONV_COLUMNS;
    const float *const x = a.x.row(k), *const dy = a.y.row(k);
    float sum = 0.0f;
    if (column < a.cout) {
        const unsigned pixels = a.samples * a.out_height * a.out_width;
        for (unsigned pixel = threadIdx.x / CONV_COLUMNS; pixel < pixels; pixel += CONV_THREADS / CONV_COLUMNS) {
            const float gradient = dy[pixel * a.cout + column];
            const unsigned from = row < rows ? conv_input(a, pixel, row / a.cin) : 0;
            if (from != NOWHERE) sum += row < rows ? x[from + row % a.cin] * gradient : gradient;
        }
    }
    sum = tree_sum<CONV_THREADS, CONV_COLUMNS>(sum, shared<float>());
    if (threadIdx.x >= CONV_COLUMNS || column >= a.cout) return;
    if (row < rows)
        a.d_weight.row(k)[row * a.cout + column] = sum;
    else
        a.d_bias.row(k)[column] = sum;
}
