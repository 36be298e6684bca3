// The three directions of a stage as products without im2col; shapes in mod.rs. A tap is one of the 9 places of the window.
//
// |                  | rows              | columns | depth             | a                      | b               |
// | forward          | used pixels       | cout    | taps · cin        | x under the tap        | weight          |
// | backward data    | pixels of x       | cin     | taps · cout       | da over the tap        | weight, flipped |
// | backward weights | taps · cin        | cout    | used pixels       | x under the tap        | da              |
//
// With pooling, the four pixels of a window are neighbours among the used pixels, in the order of its places. So a pixel's
// window is its index / 4, which is also where the window's value lies in y.
#include "../dropout/mask.cuh"
#include "spread.cuh"

struct Conv3x3Arguments {
    /// y as the forward pass writes or left it: values, and winners from `winners` on with pooling.
    Rows x, y, dy, weight, bias;
    /// The gradient of the convolution's own output, see spread.cuh, and dx or dw.
    Rows da, destination;
    Split split;
    DropoutMask dropout;
    std::uint32_t samples, height, width, cin, cout, pool, winners;
    /// Factor of the gradients.
    float scale;
    /// Windows (pixels without pooling) of a sample, of a row of windows; pixels of x of a sample, of a row.
    Divisor windows_of_sample, windows_of_row, pixels_of_sample, pixels_of_row;
    /// Used pixels of the convolution of a sample, of a row; values of x under a row of taps.
    Divisor conv_of_sample, conv_of_row, tap_row;
    /// Channels of da, and fours of them.
    Divisor padded, fours;
    /// Whether four values of a factor can be read at once.
    std::uint32_t vector_left, vector_right;

    __device__ __forceinline__ unsigned used_pixels() const {
        return samples * windows_of_sample.divisor << 2 * pool;
    }
};

/// Where in x the upper left pixel of a used pixel's 3 × 3 lies.
struct UsedPixels {
    std::uint32_t pixels, height, width, cin, pool;
    Divisor by_sample, by_row;
    __device__ __forceinline__ explicit UsedPixels(const Conv3x3Arguments &a)
        : pixels(a.used_pixels()), height(a.height), width(a.width), cin(a.cin), pool(a.pool),
          by_sample(a.windows_of_sample), by_row(a.windows_of_row) {}
    __device__ __forceinline__ unsigned operator()(unsigned n) const {
        if (n >= pixels) return NOWHERE;
        const unsigned window = n >> 2 * pool, place = pool ? n % 4 : 0;
        const unsigned sample = by_sample.divide(window), within = window - sample * by_sample.divisor;
        const unsigned row = by_row.divide(within), column = within - row * by_row.divisor;
        return ((sample * height + (row << pool) + place / 2) * width + (column << pool) + place % 2) * cin;
    }
};

/// The same of a pixel of the convolution, row by row.
struct ConvPixels {
    std::uint32_t pixels, cin;
    /// Pixels of x beyond those of the convolution: of a row, and of a sample below its rows.
    std::uint32_t beyond_row, beyond_sample;
    Divisor by_sample, by_row;
    __device__ __forceinline__ explicit ConvPixels(const Conv3x3Arguments &a)
        : pixels(a.used_pixels()), cin(a.cin), beyond_row(a.width - a.conv_of_row.divisor),
          beyond_sample(a.height * a.width - a.conv_of_sample.divisor / a.conv_of_row.divisor * a.width),
          by_sample(a.conv_of_sample), by_row(a.conv_of_row) {}
    __device__ __forceinline__ unsigned operator()(unsigned n) const {
        if (n >= pixels) return NOWHERE;
        return (n + by_row.divide(n) * beyond_row + by_sample.divide(n) * beyond_sample) * cin;
    }
};

/// Where a channel under a tap lies from there on: tap · cin + channel, and what lies between the ends of the taps' rows.
struct TapInputs {
    std::uint32_t values, between;
    Divisor by_row;
    __device__ __forceinline__ explicit TapInputs(const Conv3x3Arguments &a)
        : values(9 * a.cin), between((a.width - 3) * a.cin), by_row(a.tap_row) {}
    __device__ __forceinline__ unsigned operator()(unsigned n) const {
        return n < values ? n + by_row.divide(n) * between : NOWHERE;
    }
};

/// Where the weight of a channel of da under a tap lies, from that of an input channel on.
struct TapOutputs {
    std::uint32_t cin, cout;
    Divisor by_channels;
    __device__ __forceinline__ unsigned operator()(unsigned n) const {
        const unsigned tap = by_channels.divide(n), channel = n - tap * by_channels.divisor;
        return (tap < 9) & (channel < cout) ? tap * cin * cout + channel : NOWHERE;
    }
};

/// da of block k.
template <class Precision>
__device__ __forceinline__ const std::uint32_t *da_of(const Conv3x3Arguments &a, unsigned k) {
    return held<Precision>(reinterpret_cast<const std::uint32_t *>(a.da.row(k)));
}

/// Four values, of which those beyond `count` are 0.
__device__ __forceinline__ Quad four(const float *values, unsigned count, bool vector) {
    if (vector) return *reinterpret_cast<const Quad *>(values);
    Quad quad = {};
    for (unsigned i = 0; i < 4 && i < count; i++) quad.value[i] = values[i];
    return quad;
}

/// max(x, 0)
__device__ __forceinline__ float behind_relu(float x) { return x > 0.0f ? x : 0.0f; }

/// The first of the greatest of a window, and its place; as `first_maximum` in pool.rs.
__device__ __forceinline__ float first_maximum(const float (&value)[4], unsigned &place) {
    const bool right_above = value[1] > value[0], right_below = value[3] > value[2];
    const float above = right_above ? value[1] : value[0], below = right_below ? value[3] : value[2];
    place = below > above ? 2 + right_below : right_above;
    return below > above ? below : above;
}

template <class Blocking> __device__ __forceinline__ void conv3x3_forward(const Conv3x3Arguments &a) {
    using Precision = typename Blocking::Precision;
    // Sums of the block; the stride keeps the lanes that write together in different banks.
    constexpr unsigned STRIDE = Blocking::COLUMNS + 8;
    const unsigned k = blockIdx.z, pixels = a.used_pixels();
    const unsigned first_row = Blocking::first_row(a.split), first_column = Blocking::first_column(a.split);
    const Plain<true, UsedPixels, TapInputs> x{
        held<Precision>(a.x.row(k)), UsedPixels(a), TapInputs(a), a.vector_left != 0};
    const Plain<false, Strided, Strided> w{
        held<Precision>(a.weight.row(k)), {a.cout, 1}, {9 * a.cin, a.cout}, a.vector_right != 0};
    float *const sums = shared<float>();
    Blocking::product(a.split, x, w, 9 * a.cin, [&](unsigned row, unsigned column, float sum) {
        sums[(row - first_row) * STRIDE + column - first_column] = sum;
    });
    __syncthreads();
    // A thread takes every 16th channel of the rows of a few windows, since those share the bits of their dropout.
    constexpr unsigned LANES = 16, GROUPS = Blocking::THREADS / LANES;
    float *const y = a.y.row(k);
    const unsigned together = a.pool ? 4 : 1, own = Blocking::ROWS / together / GROUPS;
    const unsigned lane = threadIdx.x % LANES, first = threadIdx.x / LANES * own;
    unsigned sample_of_bits = NOWHERE, block_of_bits = 0;
    Words bits = {};
    for (unsigned w = first; w < first + own; w++) {
        const unsigned window = first_row / together + w;
        if (window >= pixels / together) break;
        const unsigned sample = a.windows_of_sample.divide(window);
        const unsigned within = window - sample * a.windows_of_sample.divisor;
        for (unsigned column = lane; column < Blocking::COLUMNS; column += LANES) {
            const unsigned channel = first_column + column, at = window * a.cout + channel;
            if (channel >= a.cout) break;
            const float *const from = sums + w * together * STRIDE + column;
            const float bias = a.bias.row(k)[channel];
            float value = behind_relu(from[0] + bias);
            if (a.pool) {
                float four[4];
                for (unsigned i = 0; i < 4; i++) four[i] = behind_relu(from[i * STRIDE] + bias);
                unsigned place;
                value = first_maximum(four, place);
                y[a.winners + at] = float(place);
            }
            if (a.dropout.drops()) {
                const unsigned element = within * a.cout + channel, block = DropoutMask::block_of(element);
                if (sample != sample_of_bits || block != block_of_bits) {
                    bits = a.dropout.bits(k, sample, block);
                    sample_of_bits = sample;
                    block_of_bits = block;
                }
                value = a.dropout.apply(bits, element, value);
            }
            y[at] = value;
        }
    }
}

/// A thread writes four channels of the pixels of a window.
template <class Precision> __device__ __forceinline__ void conv3x3_spread(const Conv3x3Arguments &a) {
    const unsigned n = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    const unsigned window = a.fours.divide(n), channel = (n - window * a.fours.divisor) * 4;
    if (window >= a.samples * a.windows_of_sample.divisor) return;
    const bool vector = a.vector_left != 0;
    const unsigned at = window * a.cout + channel, count = a.cout - channel, places = a.pool ? 4 : 1;
    const Quad dy = four(a.dy.row(k) + at, count, vector), y = four(a.y.row(k) + at, count, vector);
    const Quad winner = a.pool ? four(a.y.row(k) + a.winners + at, count, vector) : Quad{};
    auto *const da = reinterpret_cast<Packed<Precision> *>(a.da.row(k));
    // The first pixel of the window.
    const unsigned row = a.windows_of_row.divide(window), column = window - row * a.windows_of_row.divisor;
    const unsigned width = a.conv_of_row.divisor, pixel = (row << a.pool) * width + (column << a.pool);
    for (unsigned place = 0; place < places; place++) {
        float value[4];
        for (unsigned i = 0; i < 4; i++)
            value[i] = y.value[i] > 0.0f && winner.value[i] == float(place) ? dy.value[i] : 0.0f;
        da[(pixel + place / 2 * width + place % 2) * a.fours.divisor + channel / 4] = packed_of<Precision>(value);
    }
}

template <class Blocking> __device__ __forceinline__ void conv3x3_backward_data(const Conv3x3Arguments &a) {
    using Precision = typename Blocking::Precision;
    const unsigned k = blockIdx.z, inputs = a.samples * a.height * a.width;
    const SpreadOverInputs<Precision> da{
        da_of<Precision>(a, k), inputs, a.conv_of_sample.divisor / a.conv_of_row.divisor, a.conv_of_row.divisor,
        a.pixels_of_sample, a.pixels_of_row, a.padded};
    const Plain<true, Strided, TapOutputs> w{
        held<Precision>(a.weight.row(k)), {a.cin, a.cout}, {a.cin, a.cout, a.padded}, a.vector_right != 0};
    float *const dx = a.destination.row(k);
    Blocking::product(a.split, da, w, 9 * a.padded.divisor, [&](unsigned row, unsigned column, float sum) {
        if (row < inputs && column < a.cin) dx[row * a.cin + column] = a.scale * sum;
    });
}

template <class Blocking> __device__ __forceinline__ void conv3x3_backward_weights(const Conv3x3Arguments &a) {
    using Precision = typename Blocking::Precision;
    const unsigned k = blockIdx.z, pixels = a.used_pixels(), weights = 9 * a.cin * a.cout, padded = a.padded.divisor;
    const Plain<false, TapInputs, ConvPixels> x{
        held<Precision>(a.x.row(k)), TapInputs(a), ConvPixels(a), a.vector_left != 0};
    const InWords<Precision, false, Strided, Strided> da{da_of<Precision>(a, k), {padded, 1}, {pixels, padded}};
    // The parts' sum takes the factor where there are parts.
    const bool split = a.split.partial != nullptr;
    float *const dw = split ? a.split.part() : a.destination.row(k);
    float *const db = split ? dw + weights : a.bias.row(k);
    const float scale = split ? 1.0f : a.scale;
    Blocking::product_and_sums(
        a.split, x, da, pixels,
        [&](unsigned row, unsigned column, float sum) {
            if (row < 9 * a.cin && column < a.cout) dw[row * a.cout + column] = scale * sum;
        },
        [&](unsigned column, float sum) {
            if (column < a.cout) db[column] = scale * sum;
        });
}

/// Grid (tiles, parts, K). Of the weights' gradients, narrow ones are mostly a first layer's, which has few rows; and sums
/// without tensor cores need the registers of more rows.
#define CONV3X3_KERNEL(direction, suffix, Precision, WIDE_ROWS, NARROW_ROWS, WARPS_DOWN, WARPS_ACROSS)                 \
    KERNEL_RESIDENT(conv3x3_##direction##_##suffix, 256, 2, Conv3x3Arguments) {                                        \
        conv3x3_##direction<Blocking<Precision, WIDE_ROWS, 64, 4, 2>>(a);                                              \
    }                                                                                                                  \
    KERNEL_RESIDENT(conv3x3_##direction##_narrow_##suffix, 256, 2, Conv3x3Arguments) {                                 \
        conv3x3_##direction<Blocking<Precision, NARROW_ROWS, 32, WARPS_DOWN, WARPS_ACROSS>>(a);                        \
    }
#define CONV3X3_KERNELS(suffix, Precision)                                                                             \
    CONV3X3_KERNEL(forward, suffix, Precision, 128, 128, 8, 1)                                                         \
    CONV3X3_KERNEL(backward_data, suffix, Precision, 128, 128, 8, 1)                                                   \
    CONV3X3_KERNEL(backward_weights, suffix, Precision, (Precision::TENSOR_CORES ? 128 : 64), 64, 4, 2)                \
    /* Grid (⌈windows · fours of channels / 256⌉, K). */                                                               \
    KERNEL(conv3x3_spread_##suffix, 256, Conv3x3Arguments) { conv3x3_spread<Precision>(a); }

CONV3X3_KERNELS(f32, F32)
CONV3X3_KERNELS(tf32, Tf32)
CONV3X3_KERNELS(bf16, Bf16)
