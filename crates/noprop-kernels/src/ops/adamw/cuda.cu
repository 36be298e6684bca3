// One step of AdamW, or of descent with momentum, on the parameters of all blocks. The rates of the step are read from device memory.
#include "../../cuda/prelude.cuh"

struct AdamWArguments {
    Rows parameters, first, second, gradients;
    const StepValues *values;
    float beta1, beta2, epsilon, coupled;
    std::uint32_t len;
    /// 0 for AdamW and Adam; 1 for descent whose momentum is beta1, 2 where it looks ahead (Nesterov).
    std::uint32_t momentum;
};

/// A thread has the values i, i + 256, i + 512 and i + 768 of the 1024 of its block of threads, and asks for all of them
/// before it needs the first: as many bytes in flight as with vectors of four, from any address. Grid (⌈len / 1024⌉, K).
KERNEL(adamw, 256, AdamWArguments) {
    constexpr unsigned EACH = 4;
    const unsigned k = blockIdx.y;
    const unsigned from = blockIdx.x * 256 * EACH + threadIdx.x;
    float *parameters = a.parameters.row(k), *first = a.first.row(k), *second = a.second.row(k);
    const float *gradients = a.gradients.row(k);
    const StepValues rates = *a.values;
    float p[EACH], m[EACH], v[EACH], g[EACH];
    UNROLL for (unsigned j = 0; j < EACH; j++) {
        const unsigned i = from + j * 256;
        if (i < a.len) {
            p[j] = parameters[i];
            m[j] = first[i];
            v[j] = second[i];
            g[j] = gradients[i];
        }
    }
    UNROLL for (unsigned j = 0; j < EACH; j++) {
        const unsigned i = from + j * 256;
        if (i >= a.len) continue;
        if (a.coupled != 0) g[j] = g[j] + a.coupled * p[j];
        if (a.momentum != 0) {
            m[j] = a.beta1 * m[j] + g[j];
            first[i] = m[j];
            parameters[i] = p[j] - rates.step_size * (a.momentum == 2 ? g[j] + a.beta1 * m[j] : m[j]);
            continue;
        }
        m[j] = a.beta1 * m[j] + (1 - a.beta1) * g[j];
        v[j] = a.beta2 * v[j] + (1 - a.beta2) * g[j] * g[j];
        const float root = sqrtf(v[j]) * rates.inverse_root_correction + a.epsilon;
        first[i] = m[j];
        second[i] = v[j];
        parameters[i] = p[j] * rates.keep - rates.step_size * m[j] / root;
    }
}
