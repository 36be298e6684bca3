// For the tests of the emulation: the tensor cores' way through a tile (which values each lane hands to the instructions, with
// the instructions themselves emulated by their documented layouts) beside the plain one.
#include "product.cuh"
#ifndef __CUDACC__

struct TileArguments {
    /// [32 lines, LINE_WORDS · PER_WORD] each.
    const float *a, *b;
    /// [2, 32, 32]: by fragments, by values.
    float *sums;
};

template <class Precision> void tile_both_ways(const TileArguments &a) {
    constexpr unsigned DEPTH = LINE_WORDS * Precision::PER_WORD;
    std::uint32_t *const left = shared<std::uint32_t>(), *const right = left + 32 * LINE_STRIDE;
    for (unsigned word = 0; word < LINE_WORDS; word++) {
        const unsigned from = threadIdx.x * DEPTH + word * Precision::PER_WORD, to = threadIdx.x * LINE_STRIDE + word;
        left[to] = Precision::pack(a.a + from);
        right[to] = Precision::pack(a.b + from);
    }
    __syncthreads();
    Tile<Precision, 32, 32> fragments, values;
    fragments.clear();
    values.clear();
    fragments.multiply_fragments(left + fragments.fragments_of_a(), right + fragments.fragments_of_b());
    values.multiply_values(left, right);
    fragments.for_each([&](unsigned row, unsigned column, float sum) { a.sums[row * 32 + column] = sum; });
    values.for_each([&](unsigned row, unsigned column, float sum) { a.sums[1024 + row * 32 + column] = sum; });
}

KERNEL(tile_both_ways_tf32, 32, TileArguments) { tile_both_ways<Tf32>(a); }
KERNEL(tile_both_ways_bf16, 32, TileArguments) { tile_both_ways<Bf16>(a); }

struct PlacesArguments {
    /// [4, 128] as f32: where each thread stores of a factor with neighbours in depth, and across lines; where it reads of a, of b.
    float *places;
};

template <class Precision> void tile_places(const PlacesArguments &a) {
    const Plain<true, Strided, Strided> along{};
    const Plain<false, Strided, Strided> across{};
    const unsigned n = threadIdx.x;
    a.places[n] = float(Mover<Precision, 64, 128, Plain<true, Strided, Strided>>(along, 0).place);
    a.places[128 + n] = float(Mover<Precision, 64, 128, Plain<false, Strided, Strided>>(across, 0).place);
    a.places[256 + n] = float(Tile<Precision, 32, 32>::fragments_of_a());
    a.places[384 + n] = float(Tile<Precision, 32, 32>::fragments_of_b());
}

KERNEL(tile_places_tf32, 128, PlacesArguments) { tile_places<Tf32>(a); }
KERNEL(tile_places_bf16, 128, PlacesArguments) { tile_places<Bf16>(a); }
#endif
