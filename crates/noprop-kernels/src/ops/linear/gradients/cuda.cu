// The gradients of a fully connected layer as products; shapes in ../mod.rs. Its forward pass is in ../fused_forward.
//
// |                  | rows    | columns | depth   | a (row, depth)  | b (depth, column) |
// | backward data    | samples | inputs  | outputs | dy [row, depth] | w [column, depth] |
// | backward weights | inputs  | outputs | samples | x [depth, row]  | dy [depth, column] |
#include "../../../cuda/product.cuh"

struct LinearArguments {
    /// dx or dw; the bias's gradient, or none where data is null.
    Rows destination, bias;
    /// Where there is a gate, dx is 0 unless it is greater than 0, and else times scale.
    Rows gate;
    /// The two factors.
    Rows left, right;
    Split split;
    std::uint32_t samples, inputs, outputs;
    /// Whether four values of a factor can be read at once.
    std::uint32_t vector_left, vector_right;
    float scale;
};

template <class Blocking> __device__ __forceinline__ void linear_backward_data(const LinearArguments &a) {
    using Precision = typename Blocking::Precision;
    const unsigned k = blockIdx.z;
    const Plain<true, Strided, Strided> dy{
        held<Precision>(a.left.row(k)), {a.samples, a.outputs}, {a.outputs, 1}, a.vector_left != 0};
    const Plain<true, Strided, Strided> w{
        held<Precision>(a.right.row(k)), {a.inputs, a.outputs}, {a.outputs, 1}, a.vector_right != 0};
    Blocking::product(a.split, dy, w, a.outputs, [&](unsigned row, unsigned column, float sum) {
        if (row >= a.samples || column >= a.inputs) return;
        const unsigned at = row * a.inputs + column;
        if (a.split.partial)
            a.split.part()[at] = sum;
        else
            a.destination.row(k)[at] = behind_gate(a.gate, k, at, a.scale * sum);
    });
}

template <class Blocking> __device__ __forceinline__ void linear_backward_weights(const LinearArguments &a) {
    using Precision = typename Blocking::Precision;
    const unsigned k = blockIdx.z;
    const Plain<false, Strided, Strided> x{
        held<Precision>(a.left.row(k)), {a.inputs, 1}, {a.samples, a.inputs}, a.vector_left != 0};
    const Plain<false, Strided, Strided> dy{
        held<Precision>(a.right.row(k)), {a.outputs, 1}, {a.samples, a.outputs}, a.vector_right != 0};
    const bool split = a.split.partial != nullptr;
    float *const dw = split ? a.split.part() : a.destination.row(k);
    float *const db = !a.bias.data ? nullptr : split ? dw + a.inputs * a.outputs : a.bias.row(k);
    Blocking::product_and_sums(
        a.split, x, dy, a.samples,
        [&](unsigned row, unsigned column, float sum) {
            if (row < a.inputs && column < a.outputs) dw[row * a.outputs + column] = sum;
        },
        [&](unsigned column, float sum) {
            if (db && column < a.outputs) db[column] = sum;
        });
}

/// Grid (tiles, parts, K).
#define LINEAR_KERNELS(suffix, Precision)                                                                              \
    KERNEL(linear_backward_data_##suffix, 128, LinearArguments) {                                                      \
        linear_backward_data<Blocking<Precision, 64, 64, 2, 2>>(a);                                                    \
    }                                                                                                                  \
    KERNEL(linear_backward_weights_##suffix, 128, LinearArguments) {                                                   \
        linear_backward_weights<Blocking<Precision, 64, 64, 2, 2>>(a);                                                 \
    }                                                                                                                  \
    KERNEL(linear_backward_data_narrow_##suffix, 128, LinearArguments) {                                               \
        linear_backward_data<Blocking<Precision, 64, 16, 4, 1>>(a);                                                    \
    }                                                                                                                  \
    KERNEL(linear_backward_weights_narrow_##suffix, 128, LinearArguments) {                                            \
        linear_backward_weights<Blocking<Precision, 64, 16, 4, 1>>(a);                                                 \
    }

LINEAR_KERNELS(f32, F32)
LINEAR_KERNELS(tf32, Tf32)
LINEAR_KERNELS(bf16, Bf16)
