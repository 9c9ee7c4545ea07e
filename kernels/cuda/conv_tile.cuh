// The frame of all convolutions: tiles of two operands on their way through shared memory.
//
// A block makes BM x BN numbers of a product, BK terms of every sum at a time. An operand's tile
// lies in shared memory as it lies in global memory: along the terms of the sums ("K-contiguous",
// BM rows of BK) or across them (BK rows of BM). STAGES pairs of tiles are on their way at once,
// so that memory is read while the numbers of an earlier pair are multiplied.
//
// Who compiles sets: real, BM, BN, BK, STAGES, VECTOR (numbers copied at once, 1 or 16 bytes' worth)
// and PRODUCT, how tiles are multiplied: FMA, TF32, TF32X3 or BF16.
#pragma once
#include "device.cuh"

#define FMA 0
#define TF32 1
#define TF32X3 2
#define BF16 3

// A row of a tile begins on 16 bytes, and neighbouring rows in different banks of shared memory, by a
// gap between them.
template <int ROWS, bool K_CONTIGUOUS>
struct Tile {
  static const int GAP = (K_CONTIGUOUS ? 16 : 32) / (int)sizeof(real);
  static const int PITCH = (K_CONTIGUOUS ? BK : ROWS) + GAP;
  static const int LINES = K_CONTIGUOUS ? ROWS : BK;    // lines that lie apart in global memory
  static const int LENGTH = K_CONTIGUOUS ? BK : ROWS;   // numbers of one
  static const int SIZE = LINES * PITCH;
  // The number of row r, term k.
  static __device__ __forceinline__ real at(const real* tile, int r, int k) {
    return K_CONTIGUOUS ? tile[r * PITCH + k] : tile[k * PITCH + r];
  }
  // Start to copy the tile. line(i) is where line i begins in global memory, or nullptr for zeros;
  // of its numbers those from ``first`` on, up to ``end``, are there.
  template <class Line>
  static __device__ __forceinline__ void load(real* tile, int first, int end, const real* somewhere,
                                              Line line) {
    for (int v = threadIdx.x; v < LINES * LENGTH / VECTOR; v += blockDim.x) {
      int i = v / (LENGTH / VECTOR), j = v % (LENGTH / VECTOR) * VECTOR;
      const real* from = line(i);
      bool valid = from != nullptr && first + j < end;
      copy_async<VECTOR * (int)sizeof(real)>(tile + i * PITCH + j,
                                             valid ? from + first + j : somewhere, valid);
    }
  }
};

#if PRODUCT == FMA
#include "product_fma.cuh"
#else
#include "product_mma.cuh"
#endif

// The loop over ``steps`` parts of the sums: load(step, a, b) starts the copies of a pair of tiles.
template <bool A_ALONG, bool B_ALONG, class Load>
__device__ __forceinline__ void accumulate(Product<A_ALONG, B_ALONG>& product, int steps, Load load) {
  DYNAMIC_SHARED(real, room);
  const int A_SIZE = Tile<BM, A_ALONG>::SIZE, PAIR = A_SIZE + Tile<BN, B_ALONG>::SIZE;
  auto start = [&](int step) {
    real* a = room + step % STAGES * PAIR;
    if (step < steps) load(step, a, a + A_SIZE);
    copy_async_commit();
  };
  for (int s = 0; s < STAGES - 1; s++) start(s);
  for (int s = 0; s < steps; s++) {
    real* a = room + s % STAGES * PAIR;
    copy_async_wait<STAGES - 2>();
    __syncthreads();  // pair s is there for all, and all are done with pair s - 1
    start(s + STAGES - 1);
    product.add(a, a + A_SIZE);
  }
}
