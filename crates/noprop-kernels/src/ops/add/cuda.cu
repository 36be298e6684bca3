// y[k, i] += x[k, i]; a thread adds one value.
#include "../../cuda/prelude.cuh"

struct AddArguments {
    Rows y, x;
    std::uint32_t len;
};

/// Grid (⌈len / 256⌉, K).
KERNEL(add, 256, AddArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    const unsigned k = blockIdx.y;
    if (i < a.len) a.y.row(k)[i] += a.x.row(k)[i];
}
