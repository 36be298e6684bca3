// y = max(y, 0), and its gradient; a thread has one value.
#include "../../cuda/prelude.cuh"

struct ReluArguments {
    Rows y, dy;
    float scale;
    std::uint32_t len;
};

/// Grid (⌈len / 256⌉, K).
KERNEL(relu_forward, 256, ReluArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= a.len) return;
    float &y = a.y.row(blockIdx.y)[i];
    y = y > 0 ? y : 0;
}

/// dy = dy · scale where y > 0, else 0. Grid (⌈len / 256⌉, K).
KERNEL(relu_backward, 256, ReluArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i >= a.len) return;
    float &dy = a.dy.row(k)[i];
    dy = a.y.row(k)[i] > 0 ? dy * a.scale : 0;
}
