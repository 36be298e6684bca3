// Adds the parts of a product whose depth was split, in their order.
#include "product.cuh"

struct SumOfPartsArguments {
    /// destination[k, i] = scale · Σ for i < head, tail[k, i − head] = scale · Σ for the others.
    Rows destination, tail;
    /// Where there is a gate, a destination is 0 unless gate[k, i] > 0.
    Rows gate;
    /// [K, parts, elements]
    const float *partial;
    std::uint32_t elements, parts, head;
    float scale;
};

/// Grid (⌈elements / 256⌉, K).
KERNEL(sum_of_parts, 256, SumOfPartsArguments) {
    const unsigned i = blockIdx.x * 256 + threadIdx.x, k = blockIdx.y;
    if (i >= a.elements) return;
    const float *partial = a.partial + std::uint64_t(k) * a.parts * a.elements;
    const float sum = a.scale * sum_of_parts_at(partial, a.parts, a.elements, i);
    if (i >= a.head)
        a.tail.row(k)[i - a.head] = sum;
    else
        a.destination.row(k)[i] = behind_gate(a.gate, k, i, sum);
}
