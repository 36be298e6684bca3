// Adds the parts of a product whose depth was split, in their order: with the tile or the bias that its result stands on.
#include "product.cuh"

struct SumOfPartsArguments {
    /// destination[k, i] = scale · Σ + bias[k, i % columns], or + what it holds with `add`, for i < head.
    Rows destination, bias;
    /// tail[k, i − head] = scale · Σ for the others.
    Rows tail;
    /// [K, parts, elements]
    const float *partial;
    std::uint32_t elements, parts, head, columns, add;
    float scale;
};

/// Grid (⌈elements / 256⌉, K).
KERNEL(sum_of_parts, 256, SumOfPartsArguments) {
    const unsigned i = blockIdx.x * 256 + threadIdx.x, k = blockIdx.y;
    if (i >= a.elements) return;
    const float *partial = a.partial + std::uint64_t(k) * a.parts * a.elements + i;
    float sum = 0.0f;
    for (unsigned part = 0; part < a.parts; part++) sum += partial[std::uint64_t(part) * a.elements];
    sum *= a.scale;
    if (i >= a.head) {
        a.tail.row(k)[i - a.head] = sum;
        return;
    }
    float &destination = a.destination.row(k)[i];
    if (a.add) sum += destination;
    if (a.bias.data) sum += a.bias.row(k)[i % a.columns];
    destination = sum;
}
