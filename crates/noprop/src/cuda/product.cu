// Adds the parts of a product whose depth was split, in their order.
#include "product.cuh"

struct SumOfPartsArguments {
    /// destination[k, i] = scale · Σ for i < head, tail[k, i − head] = scale · Σ for the others.
    Rows destination, tail;
    /// [K, parts, elements]
    const float *partial;
    std::uint32_t elements, parts, head;
    float scale;
};

/// Grid (⌈elements / 256⌉, K).
KERNEL(sum_of_parts, 256, SumOfPartsArguments) {
    const unsigned i = blockIdx.x * 256 + threadIdx.x, k = blockIdx.y;
    if (i >= a.elements) return;
    float &to = i < a.head ? a.destination.row(k)[i] : a.tail.row(k)[i - a.head];
    to = a.scale * sum_of_parts_at(a.partial + std::uint64_t(k) * a.parts * a.elements, a.parts, a.elements, i);
}
