// The kernels that make a batch: gathered samples, changed on the way where images are augmented, and noised labels.
#include "../../cuda/philox.cuh"

/// How images are changed (data/augment.rs). Mirrors `AugmentationArguments` in cuda.rs.
struct Augmentation {
    std::uint64_t seed;
    std::uint32_t purpose;
    /// Greatest shift, pixels; which images are mirrored, as `Mirrored` in cuda.rs; side of the square that becomes 0.
    std::uint32_t shift, flip, cutout;
    /// Sizes of an image.
    std::uint32_t height, width, channels;

    __device__ __forceinline__ bool none() const { return shift == 0 && flip == 0 && cutout == 0; }
    /// A word as a share of 2³² picks one of the places.
    __device__ __forceinline__ int shift_of(std::uint32_t word) const {
        return int(std::uint64_t(word) * (2 * std::uint64_t(shift) + 1) >> 32) - int(shift);
    }
    /// Which value of a sample becomes value `i` of it in `epoch`: −1 where nothing does.
    __device__ __forceinline__ int source(std::uint32_t epoch, std::uint32_t sample, unsigned i) const {
        const Words words = Stream(seed, purpose, 0, epoch, sample).words(0);
        const int seen_row = int(i / (width * channels)), seen_column = int(i / channels % width);
        if (cutout != 0) {
            const unsigned centre = unsigned(std::uint64_t(words.word[3]) * (std::uint64_t(height) * width) >> 32);
            const int top = int(centre / width) - int(cutout / 2), left = int(centre % width) - int(cutout / 2);
            const bool inside = seen_row >= top && seen_row < top + int(cutout);
            if (inside && seen_column >= left && seen_column < left + int(cutout)) return -1;
        }
        const int row = seen_row - shift_of(words.word[0]);
        const int column = seen_column - shift_of(words.word[1]);
        if (row < 0 || row >= int(height) || column < 0 || column >= int(width)) return -1;
        const bool alternates = flip == 2;
        const std::uint32_t chance = alternates ? Stream(seed, purpose, 0, 0, sample).words(0).word[2] : words.word[2];
        const bool mirrored = flip != 0 && (chance >> 31 == 1) != (alternates && epoch % 2 == 1);
        const int from = mirrored ? int(width) - 1 - column : column;
        return (row * int(width) + from) * int(channels) + int(i % channels);
    }
};

struct GatherArguments {
    /// [samples, seen].
    float *x;
    /// [N, input].
    const void *pixels;
    DeviceStep step;
    Augmentation augmentation;
    /// Values of x of all samples; of a sample as it lies among the pixels and as x has it; channels of both.
    std::uint32_t len, input, seen, channels, seen_channels;
};

__device__ __forceinline__ float seen(float value) { return value; }
/// Bytes stand for values from 0 to 1. The quotient is that of the processor, bit for bit.
__device__ __forceinline__ float seen(std::uint8_t value) { return float(value) / 255.0f; }

/// A thread writes one value of x. Channels that the samples have not are 0.
template <class Pixel> __device__ __forceinline__ void gather(const GatherArguments &a) {
    const unsigned n = blockIdx.x * blockDim.x + threadIdx.x;
    if (n >= a.len) return;
    const unsigned place = n / a.seen, i = n % a.seen, channel = i % a.seen_channels;
    if (channel >= a.channels) {
        a.x[n] = 0.0f;
        return;
    }
    const unsigned value = i / a.seen_channels * a.channels + channel, sample = a.step.samples[place];
    const Pixel *from = static_cast<const Pixel *>(a.pixels) + std::uint64_t(sample) * a.input;
    const int source = a.augmentation.none() ? int(value) : a.augmentation.source(a.step.values->epoch, sample, value);
    a.x[n] = source < 0 ? 0.0f : seen(from[source]);
}

/// Grid ⌈len / 256⌉.
KERNEL(gather_f32, 256, GatherArguments) { gather<float>(a); }
KERNEL(gather_u8, 256, GatherArguments) { gather<std::uint8_t>(a); }

struct NoisedLabelsArguments {
    /// [K, samples · width].
    Rows z;
    DeviceStep step;
    std::uint64_t seed;
    std::uint32_t purpose, samples, width;
};

/// z = √ᾱ · [class] + √(1 − ᾱ) · ε, in double precision as on the processor. Grid (⌈samples · width / 128⌉, K).
KERNEL(noised_labels, 128, NoisedLabelsArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i >= a.samples * a.width) return;
    const unsigned sample = i / a.width, element = i % a.width;
    const Stream stream(a.seed, a.purpose, a.step.blocks[k], a.step.values->epoch, a.step.samples[sample]);
    const double alpha_bar = a.step.alpha_bars[k];
    const double mean = element == a.step.classes[sample] ? sqrt(alpha_bar) : 0.0;
    a.z.row(k)[i] = float(mean + sqrt(1.0 - alpha_bar) * stream.normal(element));
}
