// Tiles multiplied by tensor cores, which take float32 numbers rounded to TF32 (10 bits of
// fraction) or bfloat16 (7) and add up in float32.
//
// TF32X3 gets float32's accuracy from them: x = big + small, both TF32, and
// x*y = big*big + big*small + small*big, but for a product of two roundings (2^-22 of x*y). Infinite
// numbers become NaN.
//
// A warp makes WM x WN numbers, in pieces of 16x8: one instruction multiplies 16x8 by 8x8 numbers
// (bfloat16: 16x16 by 16x8). Lane 4g + q holds rows g and g + 8 and columns 2q and 2q + 1 of a piece;
// what it holds of the operands is written where they are read.
#pragma once

#define WARPS_N (BN / WN)

template <bool A_ALONG, bool B_ALONG>
struct Product {
  static const int ROWS = WM / 16, COLUMNS = WN / 8;
  float sums[ROWS][COLUMNS][4];

  __device__ __forceinline__ Product() {
    for (int i = 0; i < ROWS; i++)
      for (int j = 0; j < COLUMNS; j++)
        for (int e = 0; e < 4; e++) sums[i][j][e] = 0;
  }
  static __device__ __forceinline__ int first_row() { return threadIdx.x / 32 / WARPS_N * WM; }
  static __device__ __forceinline__ int first_column() { return threadIdx.x / 32 % WARPS_N * WN; }

  // Pieces of the operands, terms k0 to k0 + 7, as the bits of float32. Lane 4g + q holds of A's
  // piece i rows g and g + 8, of B's piece j column g, and of both terms q and q + 4.
  static __device__ __forceinline__ void pieces(const real* a, const real* b, int k0,
                                                unsigned (&x)[ROWS][4], unsigned (&y)[COLUMNS][2]) {
    int lane = threadIdx.x % 32, g = lane / 4, q = lane % 4;
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
      int row = first_row() + 16 * i;
      if (A_ALONG)
        load_matrices(x[i], a + (row + lane % 16) * Tile<BM, A_ALONG>::PITCH + k0 + lane / 16 * 4);
      else
#pragma unroll
        for (int e = 0; e < 4; e++)
          x[i][e] = to_bits(Tile<BM, A_ALONG>::at(a, row + g + e % 2 * 8, k0 + q + e / 2 * 4));
    }
#pragma unroll
    for (int j = 0; j < COLUMNS; j += 2) {
      int column = first_column() + 8 * j;
      if (B_ALONG)  // the matrices are both halves of piece j, and of piece j + 1
        load_matrices(y[j], b + (column + lane / 16 * 8 + lane % 8) * Tile<BN, B_ALONG>::PITCH + k0 +
                                lane / 8 % 2 * 4);
      else
#pragma unroll
        for (int e = 0; e < 4; e++)
          y[j + e / 2][e % 2] =
              to_bits(Tile<BN, B_ALONG>::at(b, column + g + e / 2 * 8, k0 + q + e % 2 * 4));
    }
  }

  __device__ __forceinline__ void add(const real* a, const real* b) {
#if PRODUCT == BF16
    int g = threadIdx.x % 32 / 4, q = threadIdx.x % 4;
    auto A = [&](int i, int half, int k) {
      return Tile<BM, A_ALONG>::at(a, first_row() + g + 16 * i + 8 * half, k);
    };
    auto B = [&](int j, int k) { return Tile<BN, B_ALONG>::at(b, first_column() + g + 8 * j, k); };
#pragma unroll
    for (int k0 = 0; k0 < BK; k0 += 16) {
      int k = k0 + 2 * q;  // and k + 1 in one register; k + 8 and k + 9 in the next
      unsigned x[ROWS][4], y[COLUMNS][2];
#pragma unroll
      for (int i = 0; i < ROWS; i++)
#pragma unroll
        for (int e = 0; e < 4; e++)
          x[i][e] = to_bf16x2(A(i, e % 2, k + e / 2 * 8), A(i, e % 2, k + e / 2 * 8 + 1));
#pragma unroll
      for (int j = 0; j < COLUMNS; j++)
#pragma unroll
        for (int e = 0; e < 2; e++) y[j][e] = to_bf16x2(B(j, k + 8 * e), B(j, k + 8 * e + 1));
#pragma unroll
      for (int i = 0; i < ROWS; i++)
#pragma unroll
        for (int j = 0; j < COLUMNS; j++) mma_bf16(sums[i][j], x[i], y[j]);
    }
#else
#pragma unroll
    for (int k0 = 0; k0 < BK; k0 += 8) {
      unsigned x[ROWS][4], y[COLUMNS][2];
      pieces(a, b, k0, x, y);
#if PRODUCT == TF32X3
      unsigned small_x[ROWS][4], small_y[COLUMNS][2];
#pragma unroll
      for (int i = 0; i < ROWS; i++) remainders<4>(small_x[i], x[i]);
#pragma unroll
      for (int j = 0; j < COLUMNS; j++) remainders<2>(small_y[j], y[j]);
#endif
#pragma unroll
      for (int i = 0; i < ROWS; i++)
#pragma unroll
        for (int e = 0; e < 4; e++) x[i][e] = to_tf32(from_bits(x[i][e]));
#pragma unroll
      for (int j = 0; j < COLUMNS; j++)
#pragma unroll
        for (int e = 0; e < 2; e++) y[j][e] = to_tf32(from_bits(y[j][e]));
#pragma unroll
      for (int i = 0; i < ROWS; i++)
#pragma unroll
        for (int j = 0; j < COLUMNS; j++) {
#if PRODUCT == TF32X3
          mma_tf32(sums[i][j], small_x[i], y[j]);
          mma_tf32(sums[i][j], x[i], small_y[j]);
#endif
          mma_tf32(sums[i][j], x[i], y[j]);
        }
    }
#endif
  }
  // What rounding numbers to TF32 leaves of them, in TF32.
  template <int COUNT>
  static __device__ __forceinline__ void remainders(unsigned* small, const unsigned* numbers) {
#pragma unroll
    for (int e = 0; e < COUNT; e++) {
      float number = from_bits(numbers[e]);
      small[e] = to_tf32(number - from_bits(to_tf32(number)));
    }
  }
  // write(row, column, sum) for every number that this thread made.
  template <class Write>
  __device__ __forceinline__ void each(Write write) {
    int row = first_row() + threadIdx.x % 32 / 4, column = first_column() + threadIdx.x % 4 * 2;
#pragma unroll
    for (int i = 0; i < ROWS; i++)
#pragma unroll
      for (int j = 0; j < COLUMNS; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
          write(row + 16 * i + e / 2 * 8, column + 8 * j + e % 2, sums[i][j][e]);
  }
};
