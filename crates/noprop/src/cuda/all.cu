// One translation unit of all kernels: nvcc makes the fat binary of it, a C++ compiler the emulation.
#include "product.cu"
#include "tile.cu"
#include "../ops/add/cuda.cu"
#include "../ops/conv3x3/cuda.cu"
#include "../ops/linear/cuda.cu"
