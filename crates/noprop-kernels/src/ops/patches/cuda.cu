// Images cut into patches, and the way back; a thread moves one value.
#include "../../cuda/prelude.cuh"

struct PatchesArguments {
    /// [K, samples · height · width · channels].
    Rows to, from;
    std::uint32_t len, height, width, channels, patch;

    /// Where the i-th value of the images lies among the tokens.
    __device__ __forceinline__ unsigned place(unsigned i) const {
        const unsigned channel = i % channels, x = i / channels % width;
        const unsigned y = i / channels / width % height, sample = i / channels / width / height;
        const unsigned token = (sample * (height / patch) + y / patch) * (width / patch) + x / patch;
        return ((token * patch + y % patch) * patch + x % patch) * channels + channel;
    }
};

/// Grid (⌈len / 256⌉, K).
KERNEL(patches_forward, 256, PatchesArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i < a.len) a.to.row(k)[a.place(i)] = a.from.row(k)[i];
}

/// Grid (⌈len / 256⌉, K).
KERNEL(patches_backward, 256, PatchesArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i < a.len) a.to.row(k)[i] = a.from.row(k)[a.place(i)];
}
