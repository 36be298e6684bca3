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
    Divisor cin_divisor;
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

/// Where a channel under a tap lies from there on.
struct TapInputs {
    std::uint32_t width;
    Divisor by_cin;
    __device__ __forceinline__ unsigned operator()(unsigned n) const {
        const unsigned tap = by_cin.divide(n);
        return tap < 9 ? (tap / 3 * width + tap % 3) * by_cin.divisor + (n - tap * by_cin.divisor) : NOWHERE;
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
__device__ __forceinline__ const std::uint32_t *da_of(const Conv3x3Arguments &a, unsigned k) {
    return held(reinterpret_cast<const std::uint32_t *>(a.da.row(k)));
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
    // Sums of the block; the stride keeps the lanes that write together in different banks.
    constexpr unsigned STRIDE = Blocking::COLUMNS + 8;
    const unsigned k = blockIdx.z, pixels = a.used_pixels();
    const unsigned first_row = Blocking::first_row(a.split), first_column = Blocking::first_column(a.split);
    const Plain<true, UsedPixels, TapInputs> x{held(a.x.row(k)), UsedPixels(a), {a.width, a.cin_divisor}, a.vector_left != 0};
    const Plain<false, Strided, Strided> w{
        held(a.weight.row(k)), {a.cout, 1}, {9 * a.cin, a.cout}, a.vector_right != 0};
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
    for (unsigned place = 0; place < places; place++) {
        float value[4];
        for (unsigned i = 0; i < 4; i++)
            value[i] = y.value[i] > 0.0f && winner.value[i] == float(place) ? dy.value[i] : 0.0f;
        da[(window * places + place) * a.fours.divisor + channel / 4] = packed_of<Precision>(value);
    }
}

template <class Blocking> __device__ __forceinline__ void conv3x3_backward_data(const Conv3x3Arguments &a) {
    const unsigned k = blockIdx.z, inputs = a.samples * a.height * a.width;
    const unsigned out_width = a.windows_of_row.divisor, out_height = a.windows_of_sample.divisor / out_width;
    const SpreadOverInputs<typename Blocking::Precision> da{
        da_of(a, k), inputs, out_height << a.pool, out_width << a.pool, a.pool, a.pixels_of_sample, a.pixels_of_row, a.padded};
    const Plain<true, Strided, TapOutputs> w{
        held(a.weight.row(k)), {a.cin, a.cout}, {a.cin, a.cout, a.padded}, a.vector_right != 0};
    float *const dx = a.destination.row(k);
    Blocking::product(a.split, da, w, 9 * a.padded.divisor, [&](unsigned row, unsigned column, float sum) {
        if (row < inputs && column < a.cin) dx[row * a.cin + column] = a.scale * sum;
    });
}

template <class Blocking> __device__ __forceinline__ void conv3x3_backward_weights(const Conv3x3Arguments &a) {
    const unsigned k = blockIdx.z, pixels = a.used_pixels(), weights = 9 * a.cin * a.cout, padded = a.padded.divisor;
    const Plain<false, TapInputs, UsedPixels> x{
        held(a.x.row(k)), {a.width, a.cin_divisor}, UsedPixels(a), a.vector_left != 0};
    const InWords<typename Blocking::Precision, false, Strided, Strided> da{da_of(a, k), {padded, 1}, {pixels, padded}};
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

/// Grid (tiles, parts, K). Of the weights' gradients, narrow ones are mostly a first layer's, which has few rows.
#define CONV3X3_KERNEL(direction, suffix, Precision, NARROW_ROWS, WARPS_DOWN, WARPS_ACROSS)                            \
    KERNEL_RESIDENT(conv3x3_##direction##_##suffix, 256, 2, Conv3x3Arguments) {                                        \
        conv3x3_##direction<Blocking<Precision, 128, 64, 4, 2>>(a);                                                    \
    }                                                                                                                  \
    KERNEL_RESIDENT(conv3x3_##direction##_narrow_##suffix, 256, 2, Conv3x3Arguments) {                                 \
        conv3x3_##direction<Blocking<Precision, NARROW_ROWS, 32, WARPS_DOWN, WARPS_ACROSS>>(a);                        \
    }
#define CONV3X3_KERNELS(suffix, Precision)                                                                             \
    CONV3X3_KERNEL(forward, suffix, Precision, 128, 8, 1)                                                              \
    CONV3X3_KERNEL(backward_data, suffix, Precision, 128, 8, 1)                                                        \
    CONV3X3_KERNEL(backward_weights, suffix, Precision, 64, 4, 2)                                                      \
    /* Grid (⌈windows · fours of channels / 256⌉, K). */                                                               \
    KERNEL(conv3x3_spread_##suffix, 256, Conv3x3Arguments) { conv3x3_spread<Precision>(a); }

CONV3X3_KERNELS(f32, F32)
CONV3X3_KERNELS(tf32, Tf32)
CONV3X3_KERNELS(bf16, Bf16)
