// The forward pass of a fully connected layer with what follows it: x · w + bias, then batch norm, then ReLU; shapes in mod.rs.
//
// What follows value by value (batch norm by running statistics, ReLU alone) is the end of the product, or of the sum of its
// parts. Batch norm by the batch's own statistics needs whole columns: a product that is not split in depth, of a batch that
// fits the rows of one tile, has them in shared memory; else the sum of the parts has them.
#include "../columns.cuh"

struct DenseArguments {
    /// Two inputs side by side along the depth, [K, samples · width] each; the second may be 0 wide.
    Rows first, second;
    /// [K, first_width + second_width, outputs], [K, outputs]. Where there is no bias, y is added to.
    Rows weight, bias;
    /// Where the product goes, with what follows value by value.
    Rows y;
    /// What follows: ReLU alone where it has no parameters. By the batch's statistics, x is where the product goes.
    BatchNormArguments norm;
    Split split;
    std::uint32_t parts, samples, first_width, second_width, outputs;
    /// Whether four values of a factor can be read at once.
    std::uint32_t vector_first, vector_second, vector_weight;

    __device__ __forceinline__ unsigned depth() const { return first_width + second_width; }
};

/// The rows of two matrices side by side, as lines of a product: the columns of the first, then those of the second.
struct SideBySide {
    static constexpr bool ALONG_DEPTH = true, PACKED = false;
    using Line = unsigned;
    /// The matrix, the column in it (NOWHERE outside of both), and values from row to row.
    struct Depth {
        const float *matrix;
        unsigned column, stride;
    };
    using Raw = Quad;
    const float *first, *second;
    std::uint32_t rows, first_width, second_width;
    bool vector_first, vector_second;
    __device__ __forceinline__ Line line(unsigned n) const { return n < rows ? n : 0; }
    __device__ __forceinline__ Depth depth(unsigned n) const {
        if (n < first_width) return {first, n, first_width};
        return {second, n - first_width < second_width ? n - first_width : NOWHERE, second_width};
    }
    __device__ __forceinline__ unsigned fours() const { return !vector_first ? 0 : vector_second ? NOWHERE : first_width; }
    __device__ __forceinline__ bool in_fours(unsigned n) const { return n < first_width ? vector_first : vector_second; }
    __device__ __forceinline__ bool inside(Depth depth) const { return depth.column != NOWHERE; }
    __device__ __forceinline__ void fetch(Raw &raw, Line line, Depth depth) const {
        raw = *reinterpret_cast<const Quad *>(global(depth.matrix + (line * depth.stride + depth.column)));
    }
    __device__ __forceinline__ void fetch(Raw &raw, unsigned i, Line line, Depth depth) const {
        raw.value[i] = *global(depth.matrix + (line * depth.stride + depth.column));
    }
    __device__ __forceinline__ float value(const Raw &raw, unsigned i) const { return raw.value[i]; }
};

/// The factors of block k.
template <class Precision> __device__ __forceinline__ SideBySide dense_inputs(const DenseArguments &a, unsigned k) {
    return {held<Precision>(a.first.row(k)), held<Precision>(a.second.row(k)), a.samples, a.first_width, a.second_width,
            a.vector_first != 0,             a.vector_second != 0};
}
template <class Precision>
__device__ __forceinline__ Plain<false, Strided, Strided> dense_weight(const DenseArguments &a, unsigned k) {
    return {held<Precision>(a.weight.row(k)), {a.outputs, 1}, {a.depth(), a.outputs}, a.vector_weight != 0};
}

/// Writes y of one sum.
__device__ __forceinline__ void dense_finish(const DenseArguments &a, unsigned k, unsigned row, unsigned column, float sum) {
    float &y = a.y.row(k)[row * a.outputs + column];
    const float value = sum + (a.bias.data ? a.bias.row(k)[column] : y);
    if (a.norm.weight.data)
        y = normalised_by_running(a.norm, k, column, value);
    else
        y = a.norm.relu && value < 0 ? 0 : value;
}

template <class Blocking> __device__ __forceinline__ void dense_forward(const DenseArguments &a) {
    const unsigned k = blockIdx.z;
    const auto put = [&](unsigned row, unsigned column, float sum) {
        if (row >= a.samples || column >= a.outputs) return;
        if (a.split.partial)
            a.split.part()[row * a.outputs + column] = sum;
        else
            dense_finish(a, k, row, column, sum);
    };
    using Precision = typename Blocking::Precision;
    Blocking::product(a.split, dense_inputs<Precision>(a, k), dense_weight<Precision>(a, k), a.depth(), put);
}

/// One value of the product of block k, from its parts.
__device__ __forceinline__ float dense_sum(const DenseArguments &a, unsigned k, unsigned at) {
    const unsigned elements = a.split.elements;
    return sum_of_parts_at(a.split.partial + std::uint64_t(k) * a.parts * elements, a.parts, elements, at);
}

/// Grid (⌈samples · outputs / 256⌉, K).
KERNEL(dense_of_parts, 256, DenseArguments) {
    const unsigned at = blockIdx.x * 256 + threadIdx.x, k = blockIdx.y;
    if (at < a.samples * a.outputs) dense_finish(a, k, at / a.outputs, at % a.outputs, dense_sum(a, k, at));
}

/// Batch norm by the batch's statistics of a product in parts. Grid (⌈outputs / 32⌉, K).
KERNEL(dense_norm_of_parts, NORM_THREADS, DenseArguments) {
    const unsigned column = blockIdx.x * NORM_COLUMNS + threadIdx.x % NORM_COLUMNS, k = blockIdx.y;
    float *const x = a.norm.x.row(k);
    if (column < a.outputs) {
        const float bias = a.bias.row(k)[column];
        norm_each_sample(a.norm, [&](unsigned sample) {
            const unsigned at = sample * a.outputs + column;
            x[at] = dense_sum(a, k, at) + bias;
        });
    }
    // Each thread reads what it has written itself.
    norm_training(a.norm, k, column, shared<float>(), [&](unsigned sample) { return x[sample * a.outputs + column]; });
}

/// All samples of 32 columns: the product, then batch norm by the batch's statistics.
template <class Precision> __device__ __forceinline__ void dense_norm(const DenseArguments &a) {
    using Columns = WholeColumns<Precision>;
    const unsigned k = blockIdx.z, column = Columns::column(a.split);
    Columns::product(a.split, dense_inputs<Precision>(a, k), dense_weight<Precision>(a, k), a.depth());
    if (column < a.outputs) {
        const float bias = a.bias.row(k)[column];
        float *const x = a.norm.x.row(k);
        // From here on each thread reads what it has written itself.
        norm_each_sample(a.norm, [&](unsigned sample) { x[sample * a.outputs + column] = Columns::sum(sample) += bias; });
    }
    norm_training(a.norm, k, column, Columns::room(), [](unsigned sample) { return Columns::sum(sample); });
}

/// Grid (tiles, parts, K); of dense_norm (⌈outputs / 32⌉, 1, K).
#define DENSE_KERNELS(suffix, Precision)                                                                               \
    KERNEL(dense_forward_##suffix, 128, DenseArguments) { dense_forward<Blocking<Precision, 64, 64, 2, 2>>(a); }       \
    KERNEL(dense_forward_narrow_##suffix, 128, DenseArguments) { dense_forward<Blocking<Precision, 64, 16, 4, 1>>(a); } \
    KERNEL(dense_norm_##suffix, NORM_THREADS, DenseArguments) { dense_norm<Precision>(a); }

DENSE_KERNELS(f32, F32)
DENSE_KERNELS(tf32, Tf32)
DENSE_KERNELS(bf16, Bf16)
