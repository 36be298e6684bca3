// For the tests of the emulation itself: kernels that are wrong.
#include "prelude.cuh"
#ifndef __CUDACC__

struct BarrierArguments {
    /// The threads up to this one come to it.
    std::uint32_t up_to;
};

/// A barrier of the block that the last threads pass by.
KERNEL(emulation_block_barrier, 64, BarrierArguments) {
    __syncthreads();
    if (threadIdx.x < a.up_to) __syncthreads();
}

/// A barrier of a warp that its last threads pass by, to one of the block.
KERNEL(emulation_warp_barrier, 64, BarrierArguments) {
    if (threadIdx.x < a.up_to) __syncwarp();
    __syncthreads();
}
#endif
