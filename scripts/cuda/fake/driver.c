// A driver without a card, for `npm run check:cuda`: device memory is the processor's, and the kernels are those of the emulation
// (crates/noprop-kernels/src/cuda/emulation.h), which this is linked with. As on a card nothing happens when it is asked for: what goes
// into a stream waits there until somebody waits for the stream, memory that is given back included. The environment says what
// is there. Whatever is not defined here is a link-time stub (see ../stubs.mjs) and answers that it is one.
//
// FAKE_GPUS (1), FAKE_DRIVER (13000), FAKE_CAPABILITY (90), FAKE_MEMORY in bytes (1 GiB), FAKE_POOLS (1: memory is taken and
// given back in the order of a stream), FAKE_WRONG (the kernel add is wrong by so much), FAKE_NODE (a recording's nodes are of
// that kind, CUgraphNodeType; 0 is a kernel), FAKE_FAULT (that launch faults, counted from 1, and everything after it is refused),
// FAKE_BREAKS (so many recordings are broken by somebody else), FAKE_REPORT (a file for what happened, as JSON)
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_CONTEXT = 201,
    NOT_FOUND = 500,
    ILLEGAL_ADDRESS = 700,
    CAPTURE_UNSUPPORTED = 900,
    CAPTURE_INVALIDATED = 901,
    CAPTURE_IMPLICIT = 906,
};

// Of the emulation.
extern int noprop_emulate(const char *name, const unsigned grid[3], unsigned threads, unsigned shared, const void *arguments,
                          size_t size);
extern bool noprop_kernel(const char *name, size_t *arguments, unsigned *threads);

static long setting(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text ? strtol(text, NULL, 10) : otherwise;
}

static long total_memory(void) { return setting("FAKE_MEMORY", 1 << 30); }

// Every call takes turns with the others.
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static void leave(int *unused) { pthread_mutex_unlock(&turn); }
#define TURN                                                                                                           \
    __attribute__((cleanup(leave))) int turn_taken = pthread_mutex_lock(&turn);                                        \
    (void)turn_taken
/// The same for whatever a fault of a kernel ends.
#define WORK                                                                                                           \
    TURN;                                                                                                              \
    if (fault) return fault

enum { DEVICES = 8, STREAMS = 64, KERNELS = 256, BLOCK = 256 };

static int fault = SUCCESS;
/// What the report tells.
static long launches = 0, replays = 0, takes = 0, foreign = 0, broken = 0, destroyed = 0;

struct Device {
    /// Bytes that are taken from the system one by one, and by the pool; bytes of the pool that are used.
    long taken, reserved, used;
    uint64_t threshold;
};
static struct Device devices[DEVICES];
static _Thread_local struct Device *current = NULL;

struct Function {
    char name[64];
    size_t arguments;
    unsigned threads, shared;
};
static struct Function functions[KERNELS];
static int function_count = 0;

enum Kind { LAUNCH, COPY, SET, FREE };
struct Op {
    enum Kind kind;
    struct Function *function;
    unsigned grid[3], threads, shared;
    /// A launch's arguments, or what is copied from the host.
    unsigned char *values;
    uint64_t to, from;
    size_t bytes;
    unsigned char byte;
};
struct Queue {
    struct Op *ops;
    int count, room;
};
struct Stream {
    struct Device *device;
    struct Queue queue, recorded;
    bool recording, invalid;
};
static struct Stream *streams[STREAMS];
static int stream_count = 0;

static void push(struct Queue *queue, struct Op op) {
    if (queue->count == queue->room) {
        queue->room = 2 * queue->room + 16;
        queue->ops = realloc(queue->ops, queue->room * sizeof(struct Op));
    }
    queue->ops[queue->count++] = op;
}

static unsigned char *copy_of(const void *from, size_t bytes) { return memcpy(malloc(bytes ? bytes : 1), from, bytes); }

/// Blocks of memory know their size, which lies before them.
static uint64_t new_block(size_t bytes) {
    unsigned char *block = aligned_alloc(BLOCK, (bytes + 2 * BLOCK - 1) / BLOCK * BLOCK);
    *(size_t *)block = bytes;
    // Nobody may read what has not been written.
    memset(block + BLOCK, 0xff, bytes);
    return (uint64_t)(block + BLOCK);
}
static size_t size_of_block(uint64_t address) { return *(size_t *)(address - BLOCK); }
static void free_block(uint64_t address) {
    // Nobody may use it any more.
    memset((void *)address, 0xff, size_of_block(address));
    free((void *)(address - BLOCK));
}

struct Rows {
    float *data;
    uint64_t stride;
};
struct Add {
    struct Rows y, x;
    uint32_t len;
};

static void run_launch(const struct Op *op) {
    if (++launches == setting("FAKE_FAULT", 0)) fault = ILLEGAL_ADDRESS;
    if (fault) return;
    if (noprop_emulate(op->function->name, op->grid, op->threads, op->shared, op->values, op->function->arguments)) abort();
    if (strcmp(op->function->name, "add") == 0 && setting("FAKE_WRONG", 0)) {
        const struct Add *a = (const struct Add *)op->values;
        for (unsigned k = 0; k < op->grid[1]; k++)
            for (unsigned i = 0; i < a->len; i++) a->y.data[k * a->y.stride + i] += (float)setting("FAKE_WRONG", 0);
    }
}

/// Does what waits in a stream.
static void run(struct Stream *stream) {
    for (int i = 0; i < stream->queue.count; i++) {
        struct Op *op = &stream->queue.ops[i];
        if (op->kind == LAUNCH) run_launch(op);
        if (op->kind == COPY && !fault) memcpy((void *)op->to, op->values ? (void *)op->values : (void *)op->from, op->bytes);
        if (op->kind == SET && !fault) memset((void *)op->to, op->byte, op->bytes);
        if (op->kind == FREE) {
            stream->device->used -= (long)size_of_block(op->to);
            free_block(op->to);
        }
        free(op->values);
    }
    stream->queue.count = 0;
    // A wait hands to the system what is above the threshold.
    struct Device *device = stream->device;
    const long unused = device->reserved - device->used;
    if (unused > 0 && (uint64_t)unused > device->threshold) device->reserved = device->used + (long)device->threshold;
}

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
    if (ordinal < 0 || ordinal >= setting("FAKE_GPUS", 1) || ordinal >= DEVICES) return INVALID_DEVICE;
    *device = ordinal;
    return SUCCESS;
}
int cuDeviceGetName(char *name, int length, int device) {
    strncpy(name, "A fake card", length);
    return SUCCESS;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) {
    *bytes = total_memory();
    return SUCCESS;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    const long capability = setting("FAKE_CAPABILITY", 90);
    // COMPUTE_CAPABILITY_MAJOR and _MINOR, MEMORY_POOLS_SUPPORTED; whatever else is asked for (compute mode) is 0.
    *value = attribute == 75    ? (int)(capability / 10)
             : attribute == 76  ? (int)(capability % 10)
             : attribute == 115 ? (int)setting("FAKE_POOLS", 1)
                                : 0;
    return SUCCESS;
}

int cuDevicePrimaryCtxRetain(void **made, int device) {
    *made = &devices[device];
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
/// A wait for the whole card breaks every recording on it.
int cuCtxSynchronize(void) {
    WORK;
    bool records = false;
    for (int i = 0; i < stream_count; i++) {
        if (!streams[i] || streams[i]->device != current) continue;
        if (streams[i]->recording) {
            broken += !streams[i]->invalid;
            records = streams[i]->invalid = true;
        }
        run(streams[i]);
    }
    return records ? CAPTURE_UNSUPPORTED : fault;
}

int cuStreamCreate(struct Stream **made, unsigned flags) {
    WORK;
    if (stream_count == STREAMS) return OUT_OF_MEMORY;
    *made = calloc(1, sizeof(struct Stream));
    (*made)->device = current;
    streams[stream_count++] = *made;
    return SUCCESS;
}
int cuStreamDestroy_v2(struct Stream *it) {
    TURN;
    destroyed++;
    run(it);
    for (int i = 0; i < stream_count; i++)
        if (streams[i] == it) streams[i] = NULL;
    free(it);
    return fault;
}
int cuStreamSynchronize(struct Stream *it) {
    WORK;
    if (it->recording) {
        it->invalid = true;
        return CAPTURE_UNSUPPORTED;
    }
    run(it);
    return fault;
}
int cuStreamIsCapturing(struct Stream *it, int *status) {
    *status = it->recording;
    return SUCCESS;
}

struct Event {
    struct Stream *stream;
};
int cuEventCreate(struct Event **made, unsigned flags) {
    WORK;
    *made = calloc(1, sizeof(struct Event));
    return SUCCESS;
}
int cuEventRecord(struct Event *it, struct Stream *stream) {
    WORK;
    it->stream = stream;
    return SUCCESS;
}
/// Waits for more than the place of the event, which no caller can tell.
int cuEventSynchronize(struct Event *it) {
    WORK;
    if (it->stream) run(it->stream);
    return fault;
}
int cuEventDestroy_v2(struct Event *it) {
    free(it);
    return SUCCESS;
}

int cuModuleLoadData(void **made, const void *image) {
    WORK;
    // A fat binary says so in its first word; whatever else a process loads is not ours.
    if (*(const uint32_t *)image != 0xba55ed50) {
        foreign++;
        return INVALID_VALUE;
    }
    *made = functions;
    return SUCCESS;
}
int cuModuleUnload(void *it) { return SUCCESS; }
int cuModuleGetFunction(struct Function **made, void *in, const char *name) {
    WORK;
    struct Function function = {.shared = 48 * 1024};
    if (function_count == KERNELS || strlen(name) >= sizeof function.name) return INVALID_VALUE;
    if (!noprop_kernel(name, &function.arguments, &function.threads)) return NOT_FOUND;
    strcpy(function.name, name);
    functions[function_count] = function;
    *made = &functions[function_count++];
    return SUCCESS;
}
/// MAX_THREADS_PER_BLOCK is 0; nothing else is asked for.
int cuFuncGetAttribute(int *value, int attribute, struct Function *function) {
    *value = attribute == 0 ? (int)function->threads : 0;
    return SUCCESS;
}
/// MAX_DYNAMIC_SHARED_SIZE_BYTES is 8.
int cuFuncSetAttribute(struct Function *function, int attribute, int value) {
    if (attribute != 8 || value > 227 * 1024) return INVALID_VALUE;
    function->shared = (unsigned)value;
    return SUCCESS;
}
int cuFuncGetParamInfo(struct Function *function, size_t index, size_t *offset, size_t *size) {
    *offset = 0;
    *size = function->arguments;
    return index == 0 ? SUCCESS : INVALID_VALUE;
}

int cuLaunchKernel(struct Function *function, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned threads_y,
                   unsigned threads_z, unsigned shared, struct Stream *in, void **parameters, void **extra) {
    WORK;
    if (current != in->device) return INVALID_CONTEXT;
    if (x > 0x7fffffffu || y > 65535 || z > 65535 || threads > function->threads || threads_y != 1 || threads_z != 1 ||
        shared > function->shared)
        return INVALID_VALUE;
    if (in->invalid) return CAPTURE_INVALIDATED;
    const struct Op op = {LAUNCH, function, {x, y, z}, threads, shared, copy_of(parameters[0], function->arguments)};
    push(in->recording ? &in->recorded : &in->queue, op);
    return SUCCESS;
}

int cuStreamBeginCapture_v2(struct Stream *it, int mode) {
    WORK;
    if (it->recording) return INVALID_VALUE;
    it->recording = true;
    it->invalid = broken < setting("FAKE_BREAKS", 0);
    broken += it->invalid;
    it->recorded.count = 0;
    return SUCCESS;
}
int cuStreamEndCapture(struct Stream *it, struct Queue **graph) {
    TURN;
    *graph = NULL;
    if (!it->recording) return INVALID_VALUE;
    it->recording = false;
    if (fault) return fault;
    if (it->invalid) {
        it->invalid = false;
        return CAPTURE_INVALIDATED;
    }
    *graph = malloc(sizeof(struct Queue));
    **graph = it->recorded;
    it->recorded = (struct Queue){0};
    return SUCCESS;
}
int cuGraphInstantiateWithFlags(struct Queue **made, struct Queue *graph, unsigned long long flags) {
    *made = graph;
    return SUCCESS;
}
int cuGraphGetNodes(struct Queue *graph, struct Op **nodes, size_t *number) {
    for (int k = 0; nodes && k < graph->count; k++) nodes[k] = &graph->ops[k];
    *number = graph->count;
    return SUCCESS;
}
int cuGraphNodeGetType(struct Op *node, int *kind) {
    *kind = (int)setting("FAKE_NODE", 0);
    return SUCCESS;
}
int cuGraphUpload(struct Queue *graph, struct Stream *in) { return SUCCESS; }
int cuGraphLaunch(struct Queue *graph, struct Stream *in) {
    WORK;
    replays++;
    for (int k = 0; k < graph->count; k++) {
        struct Op op = graph->ops[k];
        op.values = copy_of(op.values, op.function->arguments);
        push(&in->queue, op);
    }
    return SUCCESS;
}
int cuGraphExecDestroy(struct Queue *graph) { return SUCCESS; }
int cuGraphDestroy(struct Queue *graph) {
    for (int k = 0; k < graph->count; k++) free(graph->ops[k].values);
    free(graph->ops);
    free(graph);
    return SUCCESS;
}

int cuMemGetInfo_v2(size_t *available, size_t *total) {
    WORK;
    *total = total_memory();
    *available = *total - current->taken - current->reserved;
    return SUCCESS;
}
int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
    WORK;
    if (current->taken + current->reserved + (long)bytes > total_memory()) return OUT_OF_MEMORY;
    current->taken += (long)bytes;
    takes++;
    *address = new_block(bytes);
    return SUCCESS;
}
int cuMemFree_v2(uint64_t address) {
    TURN;
    current->taken -= (long)size_of_block(address);
    free_block(address);
    return fault;
}
int cuMemAllocAsync(uint64_t *address, size_t bytes, struct Stream *in) {
    WORK;
    // A card would record it in silence.
    if (in->recording) return CAPTURE_IMPLICIT;
    struct Device *device = in->device;
    if (device->used + (long)bytes > device->reserved) {
        // What is given back and not yet done is not free.
        if (device->taken + device->used + (long)bytes > total_memory()) return OUT_OF_MEMORY;
        device->reserved = device->used + (long)bytes;
        takes++;
    }
    device->used += (long)bytes;
    *address = new_block(bytes);
    return SUCCESS;
}
int cuMemFreeAsync(uint64_t address, struct Stream *in) {
    WORK;
    if (in->recording) {
        in->invalid = true;
        return CAPTURE_UNSUPPORTED;
    }
    push(&in->queue, (struct Op){.kind = FREE, .to = address});
    return SUCCESS;
}
int cuDeviceGetMemPool(struct Device **pool, int device) {
    *pool = &devices[device];
    return SUCCESS;
}
int cuDeviceGetDefaultMemPool(struct Device **pool, int device) { return cuDeviceGetMemPool(pool, device); }
/// RELEASE_THRESHOLD is 4.
int cuMemPoolSetAttribute(struct Device *pool, int attribute, const uint64_t *value) {
    WORK;
    if (attribute != 4) return INVALID_VALUE;
    pool->threshold = *value;
    return SUCCESS;
}
int cuMemPoolTrimTo(struct Device *pool, size_t keep) {
    WORK;
    const long kept = pool->used > (long)keep ? pool->used : (long)keep;
    if (pool->reserved > kept) pool->reserved = kept;
    return SUCCESS;
}

int cuMemsetD8Async(uint64_t address, unsigned char value, size_t bytes, struct Stream *in) {
    WORK;
    if (in->recording) return CAPTURE_UNSUPPORTED;
    push(&in->queue, (struct Op){.kind = SET, .to = address, .byte = value, .bytes = bytes});
    return SUCCESS;
}
/// Memory that is not pinned is read before the call returns.
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, struct Stream *in) {
    WORK;
    if (in->recording) return CAPTURE_UNSUPPORTED;
    push(&in->queue, (struct Op){.kind = COPY, .to = to, .values = copy_of(from, bytes), .bytes = bytes});
    return SUCCESS;
}
int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, struct Stream *in) {
    WORK;
    if (in->recording) return CAPTURE_UNSUPPORTED;
    push(&in->queue, (struct Op){.kind = COPY, .to = to, .from = from, .bytes = bytes});
    return SUCCESS;
}
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, struct Stream *in) {
    WORK;
    if (in->recording) return CAPTURE_UNSUPPORTED;
    run(in);
    if (!fault) memcpy(to, (const void *)from, bytes);
    return fault;
}

int cuGetErrorString(int error, const char **text) {
    *text = error == OUT_OF_MEMORY     ? "out of memory"
            : error == NO_DEVICE       ? "no CUDA-capable device is detected"
            : error == ILLEGAL_ADDRESS ? "an illegal memory access was encountered"
                                       : "an error";
    return SUCCESS;
}

__attribute__((destructor)) static void report(void) {
    const char *path = getenv("FAKE_REPORT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    long used = 0, reserved = 0;
    for (int i = 0; i < DEVICES; i++) {
        used += devices[i].used + devices[i].taken;
        reserved += devices[i].reserved + devices[i].taken;
    }
    fprintf(file, "{\"launches\":%ld,\"replays\":%ld,\"takes\":%ld,\"foreign\":%ld,\"broken\":%ld,\"destroyed\":%ld,", launches,
            replays, takes, foreign, broken, destroyed);
    fprintf(file, "\"used\":%ld,\"reserved\":%ld}\n", used, reserved);
    fclose(file);
}
