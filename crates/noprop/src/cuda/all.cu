// One translation unit of all kernels: nvcc makes the fat binary of it, a C++ compiler the emulation.
#include "../ops/add/cuda.cu"
#include "../train/batch/cuda.cu"
#include "epoch.cu"
