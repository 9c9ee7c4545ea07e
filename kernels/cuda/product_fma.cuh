// Tiles multiplied by ordinary multiply-adds: 16x16 threads, each with every 16th row and column.
#pragma once

template <bool A_ALONG, bool B_ALONG>
struct Product {
  static const int ROWS = BM / 16, COLUMNS = BN / 16;
  real sums[ROWS][COLUMNS];

  __device__ __forceinline__ Product() {
    for (int i = 0; i < ROWS; i++)
      for (int j = 0; j < COLUMNS; j++) sums[i][j] = 0;
  }
  __device__ __forceinline__ void add(const real* a, const real* b) {
    int row = threadIdx.x / 16, column = threadIdx.x % 16;
#pragma unroll 4
    for (int k = 0; k < BK; k++) {
      real x[ROWS], y[COLUMNS];
#pragma unroll
      for (int i = 0; i < ROWS; i++) x[i] = Tile<BM, A_ALONG>::at(a, row + 16 * i, k);
#pragma unroll
      for (int j = 0; j < COLUMNS; j++) y[j] = Tile<BN, B_ALONG>::at(b, column + 16 * j, k);
#pragma unroll
      for (int i = 0; i < ROWS; i++)
#pragma unroll
        for (int j = 0; j < COLUMNS; j++) sums[i][j] = fma(x[i], y[j], sums[i][j]);
    }
  }
  // write(row, column, sum) for every number that this thread made.
  template <class Write>
  __device__ __forceinline__ void each(Write write) {
#pragma unroll
    for (int i = 0; i < ROWS; i++)
#pragma unroll
      for (int j = 0; j < COLUMNS; j++)
        write((int)threadIdx.x / 16 + 16 * i, (int)threadIdx.x % 16 + 16 * j, sums[i][j]);
  }
};
