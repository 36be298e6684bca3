// y[k, i] = a[k, i] · b[k, i]; a thread multiplies one value.
#include "../../cuda/prelude.cuh"

struct MulArguments {
    Rows y, left, right;
    std::uint32_t len;
};

/// Grid (⌈len / 256⌉, K).
KERNEL(mul, 256, MulArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i < a.len) a.y.row(k)[i] = a.left.row(k)[i] * a.right.row(k)[i];
}
