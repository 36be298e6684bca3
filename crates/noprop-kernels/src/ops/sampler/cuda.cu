// The start and the steps of inference's chain; a thread has one value of a sample's state.
#include "../../cuda/philox.cuh"

struct SamplerArguments {
    /// [1, samples · classes].
    float *z;
    const float *estimate;
    /// z = from_estimate · û + from_state · z + from_noise · ε.
    double from_estimate, from_state, from_noise;
    std::uint64_t seed;
    /// What tells each sample's content: [samples, 2], the lower half first.
    const std::uint32_t *keys;
    /// Those of the noise.
    std::uint32_t purpose, block;
    std::uint32_t samples, classes;
};

__device__ __forceinline__ double sampler_noise(const SamplerArguments &a, unsigned i) {
    const std::uint32_t *key = a.keys + 2 * (i / a.classes);
    const Stream stream(a.seed, a.purpose, a.block, key[1], key[0]);
    return stream.normal(i % a.classes);
}

/// z_0. Grid ⌈samples · classes / 128⌉.
KERNEL(sampler_start, 128, SamplerArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < a.samples * a.classes) a.z[i] = float(sampler_noise(a, i));
}

/// z_t from z_{t−1}, in double precision as on the processor. Grid ⌈samples · classes / 128⌉.
KERNEL(sampler_step, 128, SamplerArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= a.samples * a.classes) return;
    const double drift = a.from_estimate * double(a.estimate[i]) + a.from_state * double(a.z[i]);
    const double fresh = a.from_noise != 0 ? a.from_noise * sampler_noise(a, i) : 0;
    a.z[i] = float(drift + fresh);
}
