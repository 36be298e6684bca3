// The gradient of a fully connected layer's input, and on through the batch norm (and ReLU) that has made this input: for at
// most 128 samples, of which a block of threads has whole columns. Shapes in mod.rs.
#include "../columns.cuh"

struct DenseBackwardArguments {
    /// [K, samples · outputs], and the layer's weight [K, inputs, outputs].
    Rows dy, weight;
    /// [K, samples · inputs]: the gradient of the layer's input; what is added to it, or none where data is null.
    Rows dx, skip;
    /// Of the norm that made the input.
    BatchNormArguments norm;
    Split split;
    std::uint32_t samples, inputs, outputs;
    /// Whether four values of a factor can be read at once.
    std::uint32_t vector_dy, vector_weight;
};

template <class Precision> __device__ __forceinline__ void dense_norm_backward(const DenseBackwardArguments &a) {
    using Columns = WholeColumns<Precision>;
    const unsigned k = blockIdx.z, column = Columns::column(a.split);
    const Plain<true, Strided, Strided> dy{
        held<Precision>(a.dy.row(k)), {a.samples, a.outputs}, {a.outputs, 1}, a.vector_dy != 0};
    const Plain<true, Strided, Strided> w{
        held<Precision>(a.weight.row(k)), {a.inputs, a.outputs}, {a.outputs, 1}, a.vector_weight != 0};
    Columns::product(a.split, dy, w, a.outputs);
    if (column < a.inputs) {
        const float *const skip = a.skip.data ? a.skip.row(k) : nullptr;
        float *const dx = a.dx.row(k);
        // From here on each thread reads what it has written itself.
        norm_each_sample(a.norm, [&](unsigned sample) {
            const unsigned at = sample * a.inputs + column;
            if (skip) Columns::sum(sample) += skip[at];
            dx[at] = Columns::sum(sample);
        });
    }
    norm_backward(a.norm, k, column, Columns::room(), [](unsigned sample) { return Columns::sum(sample); });
}

/// Grid (⌈inputs / 32⌉, 1, K). Without the number of resident blocks ptxas saves registers by a spill.
#define DENSE_BACKWARD_KERNEL(suffix, Precision)                                                                       \
    KERNEL_RESIDENT(dense_norm_backward_##suffix, NORM_THREADS, 2, DenseBackwardArguments) {                           \
        dense_norm_backward<Precision>(a);                                                                             \
    }

DENSE_BACKWARD_KERNEL(f32, F32)
DENSE_BACKWARD_KERNEL(tf32, Tf32)
DENSE_BACKWARD_KERNEL(bf16, Bf16)
