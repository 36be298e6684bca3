// The start and the steps of inference's chain; a thread has one value of a sample's state.
#include "../../cuda/philox.cuh"

struct SamplerArguments {
    /// [1, samples · classes].
    float *z;
    const float *estimate;
    /// z = from_estimate · û + from_state · z + from_noise · ε.
    double from_estimate, from_state, from_noise;
    std::uint64_t seed;
    /// Those of the noise, and the data set's index of the first sample.
    std::uint32_t purpose, block, first;
    std::uint32_t samples, classes;
};

__device__ __forceinline__ double sampler_noise(const SamplerArguments &a, unsigned i) {
    const Stream stream(a.seed, a.purpose, a.block, 0, a.first + i / a.classes);
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
