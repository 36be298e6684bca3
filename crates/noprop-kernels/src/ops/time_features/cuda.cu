// Sinusoidal features of times.
#include "../../cuda/prelude.cuh"

struct TimeFeaturesArguments {
    /// [K, samples · width] and [K, samples].
    Rows y, time;
    double scale, ln_range;
    std::uint32_t samples, width;
};

/// A thread has the cosine and the sine of one angle, in double precision: it is up to 1000. Grid (⌈samples · width / 2 / 128⌉, K).
KERNEL(time_features, 128, TimeFeaturesArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y, half = a.width / 2;
    if (i >= a.samples * half) return;
    const unsigned sample = i / half, feature = i % half;
    const double frequency = a.scale * exp(-a.ln_range * double(feature) / double(half));
    const double angle = double(a.time.row(k)[sample]) * frequency;
    float *y = a.y.row(k) + sample * a.width + feature;
    y[0] = float(cos(angle));
    y[half] = float(sin(angle));
}
