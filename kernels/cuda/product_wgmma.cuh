// Tiles multiplied by Hopper's tensor cores, four warps at a time, straight from shared memory
// (sm_90a; PTX wgmma). Numbers are cut to TF32, not rounded.
//
// 128 threads make 64 x BN numbers. Both tiles lie along the terms of the sums, 32 to a row, so that
// a row has 128 bytes; piece c of row r, 16 bytes, lies at place c ^ (r % 8) of the row ("128-byte
// swizzle"): eight rows' pieces c then lie in different banks. The products run in the background;
// those of one pair of tiles may still run while the next are started.
#pragma once

template <bool A_ALONG, bool B_ALONG>
struct Product {
  static_assert(A_ALONG && B_ALONG && BK == 32 && BN % 128 == 0 && BM % 64 == 0, "wgmma's tiles");
  static const bool BACKGROUND = true;
  float sums[BN / 128][64];

  __device__ __forceinline__ Product() {
#pragma unroll
    for (int j = 0; j < BN / 128; j++)
#pragma unroll
      for (int e = 0; e < 64; e++) sums[j][e] = 0;
  }
  __device__ __forceinline__ void add(const real* a, const real* b) {
    int first_row = threadIdx.x / 128 * 64;
    wgmma_begin();
#pragma unroll
    for (int k = 0; k < BK; k += 8)
#pragma unroll
      for (int j = 0; j < BN / 128; j++)
        wgmma_tf32(sums[j], rows_of(a + first_row * BK + k), rows_of(b + j * 128 * BK + k));
    wgmma_commit();
  }
  // Wait until the products of at most PAIRS pairs of tiles run.
  template <int PAIRS>
  static __device__ __forceinline__ void settle() { wgmma_wait<PAIRS>(); }

  // write(row, column, sum) for every number that this thread made: warp w of four has rows 16w to
  // 16w + 15, lane 4g + q of it rows g and g + 8 and columns 2q and 2q + 1 of every eight.
  template <class Write>
  __device__ __forceinline__ void each(Write write) {
    int row = threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4, column = threadIdx.x % 4 * 2;
#pragma unroll
    for (int j = 0; j < BN / 128; j++)
#pragma unroll
      for (int e = 0; e < 64; e++)
        write(row + e % 4 / 2 * 8, column + 128 * j + e / 4 * 8 + e % 2, sums[j][e]);
  }
};
