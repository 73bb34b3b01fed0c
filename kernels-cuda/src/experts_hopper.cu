// The products of experts.cu for compute capability 9.0, by the ring of matmul_hopper.cu: a block for each multiprocessor goes
// from tile to tile of all experts, one expert after the other. The rows of x lie by expert (skein_bring), so that those of a
// tile are beside each other; where the next expert's rows follow, or nothing, they are multiplied along and not stored.
// The maps: as in matmul_hopper.cu, of W with all experts' row tiles one after the other.

namespace grouped {

// The way through the tiles of all experts, whose numbers rise.
template <int TOKENS>
struct Walk {
    const int* start;  // slots of an expert: start[e] to start[e + 1] - 1
    int experts;
    int rowBlocks;
    int expert = -1;
    int firstTile = 0;  // of the expert
    int firstSlot = 0;
    int slots = 0;

    __device__ int tokenBlocks() const { return (slots + TOKENS - 1) / TOKENS; }

    // Goes on to a tile's expert; false if there is no such tile.
    __device__ bool to(int tile) {
        while (tile >= firstTile + rowBlocks * tokenBlocks()) {
            firstTile += rowBlocks * tokenBlocks();
            if (++expert == experts) {
                return false;
            }
            firstSlot = start[expert];
            slots = start[expert + 1] - firstSlot;
        }
        return true;
    }

    __device__ void place(int tile, int& rowBlock, int& tokenBlock) const {
        wide::Tiles{rowBlocks, tokenBlocks()}.place(tile - firstTile, rowBlock, tokenBlock);
    }
};

template <int TOKENS, int STAGES, bool SLICED>
__device__ inline void run(const Map& weight, const Map& x, void* out, int rows, int rowTiles, int kTiles, const int* start,
                           int experts, const int* list, int mode) {
    SKEIN_SHARED(uint8_t, dynamic);
    Ring<TOKENS, STAGES, false> ring(dynamic);
    ring.init();
    dependency_wait();
    dependents_start();
    Walk<TOKENS> walk{start, experts, (rowTiles + ROW_TILES - 1) / ROW_TILES};
    if (threadIdx.x >= MULTIPLIERS) {
        fewer_registers<40>();
        if (threadIdx.x > MULTIPLIERS) {
            return;
        }
        prefetch(weight);
        prefetch(x);
        uint64_t once = first_to_leave();
        uint64_t again = first_to_leave<false>();
        for (int tile = blockIdx.x; walk.to(tile); tile += gridDim.x) {
            int rowBlock, tokenBlock;
            walk.place(tile, rowBlock, tokenBlock);
            int rowTile = walk.expert * rowTiles + rowBlock * ROW_TILES;
            uint64_t policy = walk.tokenBlocks() == 1 ? once : again;
            for (int k = 0; k < kTiles; k += STEP, ring.step++) {
                ring.fill_weight(weight, rowTile, k, policy);
                ring.fill_x(x, walk.firstSlot + tokenBlock * TOKENS, k);
            }
        }
        return;
    }
    more_registers<232>();
    int warp = threadIdx.x / WARP;
    int lane = threadIdx.x % WARP;
    int slice = SLICED ? slice_tiles(kTiles) : kTiles;
    for (int tile = blockIdx.x; walk.to(tile); tile += gridDim.x) {
        float sum[TOKENS / 2];
        float total[SLICED ? TOKENS / 2 : 1];
        if constexpr (SLICED) {
#pragma unroll
            for (int i = 0; i < TOKENS / 2; i++) {
                total[i] = 0.f;
            }
        }
        for (int begin = 0; begin < kTiles; begin += slice) {
            int end = min(begin + slice, kTiles);
            ring.template multiply_all<!SLICED>(sum, (end - begin + STEP - 1) / STEP);
            if constexpr (SLICED) {
#pragma unroll
                for (int i = 0; i < TOKENS / 2; i++) {
                    total[i] = __fadd_rn(total[i], sum[i]);
                }
            }
        }
        int rowBlock, tokenBlock;
        walk.place(tile, rowBlock, tokenBlock);
        int rowTile = rowBlock * ROW_TILES + warp;
        if (rowTile < rowTiles) {
            int token = tokenBlock * TOKENS + lane % 4 * 2;
            int first = walk.firstSlot;
            auto row_of = [=](int i) { return (int64_t)(list ? list[first + i] : first + i); };
            if constexpr (SLICED) {
                store_all<TOKENS>(out, rows, rowTile, lane / 4, token, walk.slots, total, mode, row_of);
            } else {
                store_all<TOKENS>(out, rows, rowTile, lane / 4, token, walk.slots, sum, mode, row_of);
            }
        }
    }
}

}  // namespace grouped

// As skein_experts_*, of rows of x that lie by expert: row i is that of slot list[i]. So do the rows of out if list is 0;
// otherwise each goes to its slot's. Grid: any, one block a multiprocessor is best; block: 384; shared memory: Ring::BYTES.
#define SKEIN_GROUPED(NAME, TOKENS, STAGES, SLICED)                                                                    \
    extern "C" __global__ void __launch_bounds__(384, 1)                                                               \
        NAME(const __grid_constant__ Map weight, const __grid_constant__ Map x, void* out, int rows, int rowTiles,     \
             int kTiles, const int* start, int experts, const int* list, int mode) {                                   \
        grouped::run<TOKENS, STAGES, SLICED>(weight, x, out, rows, rowTiles, kTiles, start, experts, list, mode);      \
    }
SKEIN_GROUPED(skein_grouped_16, 16, 11, true)
SKEIN_GROUPED(skein_grouped_32, 32, 10, true)
SKEIN_GROUPED(skein_grouped_64, 64, 8, true)
SKEIN_GROUPED(skein_grouped_128, 128, 6, true)
SKEIN_GROUPED(skein_grouped_flat_256, 256, 4, false)
