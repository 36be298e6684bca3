// Attention of each sample's tokens to one another, head by head.
#include "../../cuda/reduce.cuh"

struct AttentionArguments {
    /// [K, samples · tokens · 3 · width]: queries, keys and values, and their gradient.
    Rows qkv, d_qkv;
    /// [K, samples · heads · tokens · tokens]: probabilities, and the gradient of the scores.
    Rows probabilities, d_scores;
    /// [K, samples · tokens · width]: out, and its gradient.
    Rows out, d_out;
    /// 1 / √(head width).
    float scale;
    std::uint32_t samples, tokens, width, heads;

    __device__ __forceinline__ unsigned head_width() const { return width / heads; }
    /// Where the queries (part 0), keys (1) or values (2) of a sample's first token begin, in a head.
    __device__ __forceinline__ unsigned place(unsigned part, unsigned sample, unsigned head) const {
        return (sample * tokens * 3 + part) * width + head * head_width();
    }
    /// The same in out.
    __device__ __forceinline__ unsigned place_out(unsigned sample, unsigned head) const {
        return sample * tokens * width + head * head_width();
    }
};

__device__ __forceinline__ float attention_inner(const float *left, const float *right, unsigned len) {
    float sum = 0;
    for (unsigned i = 0; i < len; i++) sum += left[i] * right[i];
    return sum;
}

/// softmax(q · kᵀ · scale); a warp has one row. Grid (⌈samples · heads · tokens / 4⌉, K).
KERNEL(attention_probabilities, 128, AttentionArguments) {
    const unsigned row = blockIdx.x * 4 + threadIdx.x / 32, lane = threadIdx.x % 32, k = blockIdx.y;
    // The same for all lanes of a warp.
    if (row >= a.samples * a.heads * a.tokens) return;
    const unsigned token = row % a.tokens, head = row / a.tokens % a.heads, sample = row / a.tokens / a.heads;
    const float *qkv = a.qkv.row(k);
    const float *query = qkv + a.place(0, sample, head) + token * 3 * a.width;
    const float *keys = qkv + a.place(1, sample, head);
    float *p = a.probabilities.row(k) + row * a.tokens;
    float most = -INFINITY, sum = 0;
    for (unsigned j = lane; j < a.tokens; j += 32) {
        const float score = attention_inner(query, keys + j * 3 * a.width, a.head_width()) * a.scale;
        p[j] = score;
        most = fmaxf(most, score);
    }
    most = warp_max(most);
    for (unsigned j = lane; j < a.tokens; j += 32) {
        p[j] = expf(p[j] - most);
        sum += p[j];
    }
    sum = warp_sum(sum);
    for (unsigned j = lane; j < a.tokens; j += 32) p[j] /= sum;
}

/// out = P · v; a thread has one value. Grid (⌈samples · tokens · width / 256⌉, K).
KERNEL(attention_mix, 256, AttentionArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i >= a.samples * a.tokens * a.width) return;
    const unsigned column = i % a.width, token = i / a.width % a.tokens, sample = i / a.width / a.tokens;
    const unsigned head = column / a.head_width();
    const float *p = a.probabilities.row(k) + ((sample * a.heads + head) * a.tokens + token) * a.tokens;
    const float *values = a.qkv.row(k) + a.place(2, sample, 0) + column;
    float sum = 0;
    for (unsigned j = 0; j < a.tokens; j++) sum += p[j] * values[j * 3 * a.width];
    a.out.row(k)[i] = sum;
}

/// ds = p · (dp − Σ dp · p) · scale, dp = d_out · vᵀ; a warp has one row. Grid (⌈samples · heads · tokens / 4⌉, K).
KERNEL(attention_backward_scores, 128, AttentionArguments) {
    const unsigned row = blockIdx.x * 4 + threadIdx.x / 32, lane = threadIdx.x % 32, k = blockIdx.y;
    if (row >= a.samples * a.heads * a.tokens) return;
    const unsigned token = row % a.tokens, head = row / a.tokens % a.heads, sample = row / a.tokens / a.heads;
    const float *gradient = a.d_out.row(k) + a.place_out(sample, head) + token * a.width;
    const float *values = a.qkv.row(k) + a.place(2, sample, head), *p = a.probabilities.row(k) + row * a.tokens;
    float *ds = a.d_scores.row(k) + row * a.tokens;
    float inner = 0;
    for (unsigned j = lane; j < a.tokens; j += 32) {
        ds[j] = attention_inner(gradient, values + j * 3 * a.width, a.head_width());
        inner += ds[j] * p[j];
    }
    inner = warp_sum(inner);
    for (unsigned j = lane; j < a.tokens; j += 32) ds[j] = p[j] * (ds[j] - inner) * a.scale;
}

/// dq = dS · k, dk = dSᵀ · q, dv = Pᵀ · d_out; a thread has one value. Grid (⌈samples · tokens · 3 · width / 256⌉, K).
KERNEL(attention_backward, 256, AttentionArguments) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x, k = blockIdx.y;
    if (i >= a.samples * a.tokens * 3 * a.width) return;
    const unsigned column = i % a.width, part = i / a.width % 3, token = i / a.width / 3 % a.tokens;
    const unsigned sample = i / a.width / 3 / a.tokens, head = column / a.head_width();
    const unsigned square = (sample * a.heads + head) * a.tokens * a.tokens;
    // What is summed: weights of the other tokens, and what they weigh.
    const float *weights = (part == 2 ? a.probabilities : a.d_scores).row(k) + square;
    const unsigned step = part == 0 ? 1 : a.tokens;
    weights += part == 0 ? token * a.tokens : token;
    const float *of = part == 2 ? a.d_out.row(k) + a.place_out(sample, 0) + column
                                : a.qkv.row(k) + a.place(1 - part, sample, 0) + column;
    const unsigned stride = part == 2 ? a.width : 3 * a.width;
    float sum = 0;
    for (unsigned other = 0; other < a.tokens; other++) sum += weights[other * step] * of[other * stride];
    a.d_qkv.row(k)[i] = sum;
}
