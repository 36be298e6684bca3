// The calls of cuBLAS and cuRAND by which candle opens a device, for the fake driver. To be closed fails, as it does after the
// fault of a kernel (CUBLAS_STATUS_EXECUTION_FAILED, CURAND_STATUS_INTERNAL_ERROR): nobody may close a device.
static int handle;

int cublasCreate_v2(void **made) {
    *made = &handle;
    return 0;
}
int cublasDestroy_v2(void *it) { return 13; }
int cublasSetStream_v2(void *it, void *stream) { return 0; }

int curandCreateGenerator(void **made, int kind) {
    *made = &handle;
    return 0;
}
int curandDestroyGenerator(void *it) { return 999; }
int curandSetStream(void *it, void *stream) { return 0; }
int curandSetPseudoRandomGeneratorSeed(void *it, unsigned long long seed) { return 0; }
int curandSetGeneratorOffset(void *it, unsigned long long offset) { return 0; }
