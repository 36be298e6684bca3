// A driver without a card, for `npm run check:cuda`: device memory is the processor's, the one kernel is `add`
// (ops/add/cuda.cu), written out here, and the environment says what is there. Whatever is not defined here is a link-time stub
// (see ../stubs.mjs) and answers that it is one.
//
// FAKE_GPUS (1), FAKE_DRIVER (13000), FAKE_CAPABILITY (90), FAKE_MEMORY in bytes (1 GiB), FAKE_FAULT (add is wrong by so much),
// FAKE_NODE (a recording's nodes are of that kind, CUgraphNodeType; 0 is a kernel)
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NO_DEVICE = 100, INVALID_DEVICE = 101, NOT_FOUND = 500, IMPLICIT = 906 };

static long setting(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text ? strtol(text, NULL, 10) : otherwise;
}

static long taken = 0;
static void *current = NULL;
static int context, stream, module, kernel;

int cuInit(unsigned flags) { return setting("FAKE_GPUS", 1) > 0 ? SUCCESS : NO_DEVICE; }

int cuDriverGetVersion(int *version) {
    *version = (int)setting("FAKE_DRIVER", 13000);
    return SUCCESS;
}

int cuDeviceGetCount(int *count) {
    *count = (int)setting("FAKE_GPUS", 1);
    return SUCCESS;
}

int cuDeviceGet(int *device, int ordinal) {
    if (ordinal < 0 || ordinal >= setting("FAKE_GPUS", 1)) return INVALID_DEVICE;
    *device = ordinal;
    return SUCCESS;
}

int cuDeviceGetName(char *name, int length, int device) {
    strncpy(name, "A fake card", length);
    return SUCCESS;
}

int cuDeviceTotalMem_v2(size_t *bytes, int device) {
    *bytes = setting("FAKE_MEMORY", 1 << 30);
    return SUCCESS;
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
    const long capability = setting("FAKE_CAPABILITY", 90);
    // COMPUTE_CAPABILITY_MAJOR and _MINOR; whatever else is asked for (memory pools, compute mode) is 0.
    *value = attribute == 75 ? (int)(capability / 10) : attribute == 76 ? (int)(capability % 10) : 0;
    return SUCCESS;
}

int cuDevicePrimaryCtxRetain(void **made, int device) {
    *made = &context;
    return SUCCESS;
}
int cuDevicePrimaryCtxRelease_v2(int device) { return SUCCESS; }
int cuCtxGetCurrent(void **out) {
    *out = current;
    return SUCCESS;
}
int cuCtxSetCurrent(void *in) {
    current = in;
    return SUCCESS;
}
int cuCtxSynchronize(void) { return SUCCESS; }

int cuStreamCreate(void **made, unsigned flags) {
    *made = &stream;
    return SUCCESS;
}
int cuStreamDestroy_v2(void *it) { return SUCCESS; }
int cuStreamSynchronize(void *it) { return SUCCESS; }
int cuStreamIsCapturing(void *it, int *status) {
    *status = 0;
    return SUCCESS;
}

int cuModuleLoadData(void **made, const void *image) {
    // A fat binary says so in its first word.
    if (*(const uint32_t *)image != 0xba55ed50) return INVALID_VALUE;
    *made = &module;
    return SUCCESS;
}
int cuModuleUnload(void *it) { return SUCCESS; }

int cuModuleGetFunction(void **made, void *in, const char *name) {
    *made = &kernel;
    return strcmp(name, "add") ? NOT_FOUND : SUCCESS;
}

struct Rows {
    float *data;
    uint64_t stride;
};
struct Add {
    struct Rows y, x;
    uint32_t len;
};
struct Launch {
    struct Add arguments;
    unsigned blocks, rows, threads;
};

// A recording and its replays: launches in order.
enum { MOST = 16 };
static struct Launch recorded[MOST];
static int recording = 0, count = 0;

// MAX_THREADS_PER_BLOCK is 0; nothing else is asked for.
int cuFuncGetAttribute(int *value, int attribute, void *function) {
    *value = attribute == 0 ? 256 : 0;
    return SUCCESS;
}
int cuFuncGetParamInfo(void *function, size_t index, size_t *offset, size_t *size) {
    *offset = 0;
    *size = sizeof(struct Add);
    return index == 0 ? SUCCESS : INVALID_VALUE;
}

static void add(const struct Launch *it) {
    const struct Add *a = &it->arguments;
    for (unsigned k = 0; k < it->rows; k++)
        for (unsigned i = 0; i < a->len && i < it->blocks * it->threads; i++)
            a->y.data[k * a->y.stride + i] += a->x.data[k * a->x.stride + i] + (float)setting("FAKE_FAULT", 0);
}

int cuLaunchKernel(void *function, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned threads_y,
                   unsigned threads_z, unsigned shared, void *in, void **parameters, void **extra) {
    if (current != &context || in != &stream || function != &kernel || z != 1 || threads_y != 1 || threads_z != 1)
        return INVALID_VALUE;
    const struct Launch launch = {*(const struct Add *)parameters[0], x, y, threads};
    if (!recording)
        add(&launch);
    else if (count == MOST)
        return INVALID_VALUE;
    else
        recorded[count++] = launch;
    return SUCCESS;
}

int cuStreamBeginCapture_v2(void *it, int mode) {
    if (recording) return INVALID_VALUE;
    recording = 1;
    count = 0;
    return SUCCESS;
}
int cuStreamEndCapture(void *it, void **graph) {
    if (!recording) return INVALID_VALUE;
    recording = 0;
    *graph = recorded;
    return SUCCESS;
}
int cuGraphInstantiateWithFlags(void **made, void *graph, unsigned long long flags) {
    *made = graph;
    return SUCCESS;
}
int cuGraphGetNodes(void *graph, void **nodes, size_t *number) {
    for (int k = 0; nodes && k < count; k++) nodes[k] = &recorded[k];
    *number = count;
    return SUCCESS;
}
int cuGraphNodeGetType(void *node, int *kind) {
    *kind = (int)setting("FAKE_NODE", 0);
    return SUCCESS;
}
int cuGraphUpload(void *graph, void *in) { return SUCCESS; }
int cuGraphLaunch(void *graph, void *in) {
    for (int k = 0; k < count; k++) add(&recorded[k]);
    return SUCCESS;
}
int cuGraphExecDestroy(void *graph) { return SUCCESS; }
int cuGraphDestroy(void *graph) { return SUCCESS; }

int cuMemGetInfo_v2(size_t *available, size_t *total) {
    *total = setting("FAKE_MEMORY", 1 << 30);
    *available = *total - taken;
    return SUCCESS;
}
int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
    if (recording) return IMPLICIT;
    if (taken + (long)bytes > setting("FAKE_MEMORY", 1 << 30)) return OUT_OF_MEMORY;
    taken += (long)bytes;
    *address = (uint64_t)malloc(bytes);
    return SUCCESS;
}
int cuMemFree_v2(uint64_t address) {
    free((void *)address);
    return SUCCESS;
}
int cuMemsetD8Async(uint64_t address, unsigned char value, size_t bytes, void *in) {
    memset((void *)address, value, bytes);
    return SUCCESS;
}
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *in) {
    memcpy((void *)to, from, bytes);
    return SUCCESS;
}
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *in) {
    memcpy(to, (const void *)from, bytes);
    return SUCCESS;
}

int cuGetErrorString(int error, const char **text) {
    *text = error == OUT_OF_MEMORY ? "out of memory" : error == NO_DEVICE ? "no CUDA-capable device is detected" : "an error";
    return SUCCESS;
}
