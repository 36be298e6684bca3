// A driver without a card, for `npm run check:cuda`: device memory is the processor's, kernels do nothing, and the environment
// says what is there. Whatever is not defined here is a link-time stub (see ../stubs.mjs) and answers that it is one.
//
// FAKE_GPUS (1), FAKE_DRIVER (13000), FAKE_CAPABILITY (90), FAKE_MEMORY in bytes (1 GiB)
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NO_DEVICE = 100, INVALID_DEVICE = 101 };

static long setting(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text ? strtol(text, NULL, 10) : otherwise;
}

static long taken = 0;
static void *current = NULL;
static int context, stream, module;

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

int cuModuleLoadData(void **made, const void *image) {
    // A fat binary says so in its first word.
    if (*(const uint32_t *)image != 0xba55ed50) return INVALID_VALUE;
    *made = &module;
    return SUCCESS;
}
int cuModuleUnload(void *it) { return SUCCESS; }

int cuMemGetInfo_v2(size_t *available, size_t *total) {
    *total = setting("FAKE_MEMORY", 1 << 30);
    *available = *total - taken;
    return SUCCESS;
}
int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
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
