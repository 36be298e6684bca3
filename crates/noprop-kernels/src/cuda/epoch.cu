// The beginning and end of a training step on the device, and the check of an epoch's weights.
#include "reduce.cuh"

struct BeginStepArguments {
    StepValues *values;
    std::uint32_t *samples, *classes;
    /// [2]: the epoch, and the step of it that comes next.
    std::uint32_t *counter;
    /// [N]: the epoch's order of samples; the class of each sample.
    const std::uint32_t *order, *class_of_sample;
    /// [steps][3]: keep, step_size, inverse_root_correction of each step of the epoch.
    const float *rates;
    std::uint32_t total, batch, steps;
};

/// One block of threads. A step behind the epoch's last one has no samples, and its values stay as they are.
KERNEL(begin_step, 256, BeginStepArguments) {
    const std::uint32_t epoch = a.counter[0], step = a.counter[1];
    const std::uint64_t first = std::uint64_t(step) * a.batch;
    const std::uint64_t left = step < a.steps && first < a.total ? a.total - first : 0;
    const std::uint32_t samples = left < a.batch ? std::uint32_t(left) : a.batch;
    for (unsigned i = threadIdx.x; i < samples; i += blockDim.x) {
        const std::uint32_t sample = a.order[first + i];
        a.samples[i] = sample;
        a.classes[i] = a.class_of_sample[sample];
    }
    // Every thread has read the counter.
    __syncthreads();
    if (threadIdx.x > 0) return;
    a.values->samples = samples;
    if (samples == 0) return;
    a.values->epoch = epoch;
    a.values->step = step;
    a.values->keep = a.rates[3 * step];
    a.values->step_size = a.rates[3 * step + 1];
    a.values->inverse_root_correction = a.rates[3 * step + 2];
    a.counter[1] = step + 1;
}

struct StoreLossArguments {
    /// [K][steps], written in the column of the step.
    float *losses;
    /// [K, 1].
    Rows loss;
    DeviceStep step;
    std::uint32_t blocks, steps;
};

/// Grid ⌈K / 32⌉.
KERNEL(store_loss, 32, StoreLossArguments) {
    const unsigned k = blockIdx.x * blockDim.x + threadIdx.x;
    const std::uint32_t step = a.step.values->step;
    if (k < a.blocks && step < a.steps) a.losses[std::uint64_t(k) * a.steps + step] = *a.loss.row(k);
}

struct AllFiniteArguments {
    /// [K][parts].
    std::uint32_t *finite;
    Rows values;
    std::uint32_t len;
};

/// finite[k][p] = whether all values i of row k with i / 256 % parts = p are finite. Grid (parts, K).
KERNEL(all_finite, 256, AllFiniteArguments) {
    const unsigned parts = gridDim.x, part = blockIdx.x, k = blockIdx.y;
    const float *values = a.values.row(k);
    float strays = 0;
    for (std::uint64_t i = std::uint64_t(part) * 256 + threadIdx.x; i < a.len; i += std::uint64_t(parts) * 256)
        if (!(fabsf(values[i]) <= 3.402823466e+38f)) strays = 1;
    strays = tree_sum<256, 1>(strays, shared<float>());
    if (threadIdx.x == 0) a.finite[k * parts + part] = strays == 0;
}
