// The gradient of a convolution's filters, channels last:
//
//   gw[k, i, j, c] = sum over pixels of  gy[pixel, k] x[source(pixel, i, j), c]
//
// For every tap a product whose sums run over the pixels; both tiles lie across them. The sums are
// cut into ``splits`` parts, each added up by a block of its own into parts[split]; add_parts (sum.cu)
// adds these in order. K and C are those of a group.
#include "conv_tile.cuh"

extern "C" __global__ void conv2d_grad_weight(const real* gy, const real* x, real* parts, int N,
                                              int OH, int OW, int gy_pitch, int H, int W, int x_pitch,
                                              int K, int C, int KH, int KW, int SH, int SW, int PH,
                                              int PW, int DH, int DW, int groups, int splits) {
  int group = blockIdx.z % groups, split = blockIdx.z / groups, tap = blockIdx.y;
  int tiles = (C + BN - 1) / BN;
  int first_k = blockIdx.x / tiles * BM, first_c = blockIdx.x % tiles * BN;
  int pixels = N * OH * OW, steps = (pixels + BK - 1) / BK, share = (steps + splits - 1) / splits;
  int begin = split * share, end = min(begin + share, steps);
  int shift_h = tap / KW * DH - PH, shift_w = tap % KW * DW - PW;
  gy += group * K, x += group * C;
  Product<false, false> product;
  accumulate<false, false>(product, max(0, end - begin), [&](int s, real* a, real* b) {
    int first = (begin + s) * BK;
    Tile<BM, false>::load(a, first_k, K, gy, [&](int i) -> const real* {
      return first + i < pixels ? gy + (long long)(first + i) * gy_pitch : nullptr;
    });
    Tile<BN, false>::load(b, first_c, C, x, [&](int i) -> const real* {
      int p = first + i, h = p / OW % OH * SH + shift_h, v = p % OW * SW + shift_w;
      bool inside = p < pixels && h >= 0 && h < H && v >= 0 && v < W;
      return inside ? x + ((long long)(p / OW / OH) * H * W + h * W + v) * x_pitch : nullptr;
    });
  });
  long long size = (long long)groups * K * KH * KW * C;
  product.each([&](int r, int c, real sum) {
    int k = first_k + r, channel = first_c + c;
    if (k < K && channel < C)
      parts[split * size + ((long long)(group * K + k) * KH * KW + tap) * C + channel] = sum;
  });
}
