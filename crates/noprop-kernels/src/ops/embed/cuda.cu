// Rows by the embeddings of the classes, or by their transpose, and the gradient of the embeddings; a thread sums one value in the order of the
// definition.
#include "../../cuda/prelude.cuh"

struct EmbedArguments {
    /// [K, samples · outputs], [K, samples · inputs]; [1, classes · width], or what has the embeddings, or their gradient, at `offset`.
    Rows to, from, embeddings;
    /// `flag`: whether the embeddings are read transposed, or their gradient is added.
    std::uint32_t samples, inputs, outputs, offset, flag, unused;
};

/// Grid (⌈samples · outputs / 256⌉, K).
KERNEL(embed, 256, EmbedArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i >= a.samples * a.outputs) return;
    const unsigned output = i % a.outputs;
    const float *from = a.from.row(k) + i / a.outputs * a.inputs, *embeddings = a.embeddings.row(k) + a.offset;
    float sum = 0;
    for (unsigned input = 0; input < a.inputs; input++) {
        sum += from[input] * embeddings[a.flag != 0 ? output * a.inputs + input : input * a.outputs + output];
    }
    a.to.row(k)[i] = sum;
}

/// `to` is the gradient of the product, `from` the shares. Grid (⌈inputs · outputs / 256⌉, K).
KERNEL(embed_backward_rows, 256, EmbedArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i >= a.inputs * a.outputs) return;
    const float *shares = a.from.row(k) + i / a.outputs, *dy = a.to.row(k) + i % a.outputs;
    float *gradient = a.embeddings.row(k) + a.offset + i;
    float sum = a.flag != 0 ? *gradient : 0;
    for (unsigned sample = 0; sample < a.samples; sample++) {
        sum += shares[sample * a.inputs] * dy[sample * a.outputs];
    }
    *gradient = sum;
}
