// Rows by the embeddings of the classes, or by their transpose; a thread sums one value in the order of the definition.
#include "../../cuda/prelude.cuh"

struct EmbedArguments {
    /// [K, samples · outputs], [K, samples · inputs], [1, classes · width].
    Rows to, from, embeddings;
    std::uint32_t samples, inputs, outputs, transposed;
};

/// Grid (⌈samples · outputs / 256⌉, K).
KERNEL(embed, 256, EmbedArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i >= a.samples * a.outputs) return;
    const unsigned output = i % a.outputs;
    const float *from = a.from.row(k) + i / a.outputs * a.inputs, *embeddings = a.embeddings.row(k);
    float sum = 0;
    for (unsigned input = 0; input < a.inputs; input++) {
        sum += from[input] * embeddings[a.transposed != 0 ? output * a.inputs + input : input * a.outputs + output];
    }
    a.to.row(k)[i] = sum;
}
