// Smooth activations and their gradients; a thread has one value.
#include "../../cuda/prelude.cuh"

struct ActivationArguments {
    /// [K, len]. The forward kernel does not read dy.
    Rows to, dy, x;
    /// The argument of the sigmoid is x · (linear + cubic · x²).
    float linear, cubic;
    std::uint32_t len;
};

/// e^u for u in [−87, 87], where it and its inverse are normal numbers.
__device__ __forceinline__ float activation_power(float u) { return expf(u < -87 ? -87 : u > 87 ? 87 : u); }

/// y = x · σ(u(x)). Grid (⌈len / 256⌉, K).
KERNEL(activation_forward, 256, ActivationArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i >= a.len) return;
    const float x = a.x.row(k)[i];
    a.to.row(k)[i] = x / (1 + activation_power(-x * (a.linear + a.cubic * x * x)));
}

/// dx = dy · (σ + x · σ · (1 − σ) · u'(x)). Grid (⌈len / 256⌉, K).
KERNEL(activation_backward, 256, ActivationArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i >= a.len) return;
    const float x = a.x.row(k)[i], square = a.cubic * x * x;
    const float u = x * (a.linear + square), power = activation_power(-u), gate = 1 / (1 + power);
    // Where σ is 0 or 1, the slope may be so great that it would show.
    const float slope = fabsf(u) < 87 ? a.linear + 3 * square : 0;
    // 1 − σ is power · σ, which keeps its digits where σ is near 1.
    a.to.row(k)[i] = a.dy.row(k)[i] * (gate + x * gate * (power * gate) * slope);
}
