// y[row, to_offset..] = x[row, from_offset..], or += that; a thread has one value.
#include "../../cuda/prelude.cuh"

struct CopyColumnsArguments {
    /// Their first columns that are copied.
    Rows y, x;
    std::uint32_t rows, width, from_stride, to_stride, add;
};

/// Grid (⌈rows · width / 256⌉, K).
KERNEL(copy_columns, 256, CopyColumnsArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i >= a.rows * a.width) return;
    const unsigned row = i / a.width, column = i % a.width;
    float &y = a.y.row(k)[row * a.to_stride + column];
    const float x = a.x.row(k)[row * a.from_stride + column];
    y = a.add ? y + x : x;
}
