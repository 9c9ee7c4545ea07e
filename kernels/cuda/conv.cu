// Convolution without columns (implicit GEMM), channels last.
//
// Forward and the gradient of the input are one kernel. Both make maps, pixel by pixel, from others:
//
//   to[n, h, w, :] = sum over taps i, j of  W[i, j] from[n, source(h, i), source(w, j), :]
//
// where source(h, i) = h*stride - padding + i*dilation forward, and backward the h whose source is
// this one: (h + padding - i*dilation) / stride, where the stride divides it. Backward, pixels whose
// h has the same remainder by the stride (a phase) use the same taps: a block has pixels of one phase
// and leaves out the other taps. The rows of the product are pixels, its columns the channels of
// ``to``; a sum runs over taps and the channels of ``from``, of which neighbours lie side by side.
//
// Where there are few pixels and long sums (fc6: 25088 terms), few blocks would have long to do. Then
// the sums are cut into ``splits``, of which each block does one, into parts[split]; sum.cu adds these
// in order and does the rest.
//
// Filters (K, KH, KW, C) lie along the sums forward, and across them backward.
#include "conv_tile.cuh"

// One axis, for one phase: the taps first, first + step, ... (count of them); tap t's source is
// pixel * scale + shift + t * move.
struct Taps { int first, step, count, scale, shift, move; };

__device__ __forceinline__ Taps taps_of(bool backward, int phase, int taps, int stride, int padding,
                                        int dilation) {
  if (!backward) return {0, 1, taps, stride, -padding, dilation};
  Taps found = {0, taps, 0, 1, 0, 0};
  for (int i = 0; i < taps; i++) {  // the remainders of i * dilation repeat
    if ((phase + padding - i * dilation) % stride) continue;
    if (found.count++ == 0) found.first = i, found.shift = (phase + padding - i * dilation) / stride;
    else if (found.count == 2) found.step = i - found.first;
  }
  found.move = -found.step * dilation / stride;
  return found;
}

// from (N, FH, FW, from_pitch), to (N, TH, TW, to_pitch), w (K, KH, KW, C/groups). from_channels and
// to_channels are those of a group. A block's third number: (split, phase, group), the last fastest.
template <bool BACKWARD>
__device__ __forceinline__ void convolve(const real* from, const real* w, const real* bias, real* to,
                                         int N, int FH, int FW, int from_pitch, int TH, int TW,
                                         int to_pitch, int from_channels, int to_channels, int KH,
                                         int KW, int SH, int SW, int PH, int PW, int DH, int DW,
                                         int groups, int splits, int has_bias, int relu) {
  // Of each row: its image's first pixel of ``from`` (-1: no such row), where tap 0 looks, (h, w), and
  // its pixel of ``to``
  __shared__ int place[BM][4];
  int step_h = BACKWARD ? SH : 1, step_w = BACKWARD ? SW : 1, phases = step_h * step_w;
  int group = blockIdx.z % groups, phase = blockIdx.z / groups % phases;
  int split = blockIdx.z / groups / phases, phase_h = phase / step_w, phase_w = phase % step_w;
  int UH = (TH - phase_h + step_h - 1) / step_h, UW = (TW - phase_w + step_w - 1) / step_w;
  int pixels = N * UH * UW, first_pixel = blockIdx.x * BM, first_channel = blockIdx.y * BN;
  if (first_pixel >= pixels) return;
  Taps th = taps_of(BACKWARD, phase_h, KH, SH, PH, DH), tw = taps_of(BACKWARD, phase_w, KW, SW, PW, DW);

  for (int r = threadIdx.x; r < BM; r += blockDim.x) {
    int p = first_pixel + r, n = p / UW / UH, u = p / UW % UH, v = p % UW;
    place[r][0] = p < pixels ? n * FH * FW : -1;
    place[r][1] = u * th.scale + th.shift;
    place[r][2] = v * tw.scale + tw.shift;
    place[r][3] = (n * TH + phase_h + u * step_h) * TW + phase_w + v * step_w;
  }
  __syncthreads();

  from += group * from_channels;
  int chunks = (from_channels + BK - 1) / BK, taps = KH * KW;
  int steps = th.count * tw.count * chunks, share = (steps + splits - 1) / splits;
  int begin = split * share;
  const bool ALONG = !BACKWARD;
  Product<true, ALONG> product;
  accumulate<true, ALONG>(product, min(share, steps - begin), [&](int s, real* a, real* b) {
    int chunk = (begin + s) % chunks * BK, t = (begin + s) / chunks, i = t / tw.count;
    int j = t % tw.count;
    int tap = (th.first + i * th.step) * KW + tw.first + j * tw.step;
    Tile<BM, true>::load(a, chunk, from_channels, from, [&](int r) -> const real* {
      int h = place[r][1] + i * th.move, x = place[r][2] + j * tw.move;
      bool inside = place[r][0] >= 0 && h >= 0 && h < FH && x >= 0 && x < FW;
      return inside ? from + (long long)(place[r][0] + h * FW + x) * from_pitch : nullptr;
    });
    if (!ALONG)  // line i: the filters of from's channel i, over to's channels
      Tile<BN, ALONG>::load(b, first_channel, to_channels, w, [&](int k) -> const real* {
        long long filter = group * from_channels + chunk + k;
        return chunk + k < from_channels ? w + (filter * taps + tap) * to_channels : nullptr;
      });
    else  // line i: the filter of to's channel i, over from's channels
      Tile<BN, ALONG>::load(b, chunk, from_channels, w, [&](int c) -> const real* {
        long long filter = group * to_channels + first_channel + c;
        return first_channel + c < to_channels ? w + (filter * taps + tap) * from_channels : nullptr;
      });
  });

  to += (long long)split * N * TH * TW * to_pitch;
  product.each([&](int r, int c, real sum) {
    int channel = first_channel + c;
    if (place[r][0] < 0 || channel >= to_channels) return;
    channel += group * to_channels;
    if (has_bias) sum += bias[channel];
    if (relu) sum = sum < 0 ? 0 : sum;
    to[(long long)place[r][3] * to_pitch + channel] = sum;
  });
}

extern "C" __global__ void conv2d(const real* x, const real* w, const real* bias, real* y, int N,
                                  int H, int W, int x_pitch, int OH, int OW, int y_pitch, int C,
                                  int K, int KH, int KW, int SH, int SW, int PH, int PW, int DH,
                                  int DW, int groups, int splits, int has_bias, int relu) {
  convolve<false>(x, w, bias, y, N, H, W, x_pitch, OH, OW, y_pitch, C, K, KH, KW, SH, SW, PH, PW, DH,
                  DW, groups, splits, has_bias, relu);
}

extern "C" __global__ void conv2d_grad_input(const real* gy, const real* w, real* gx, int N, int OH,
                                             int OW, int gy_pitch, int H, int W, int gx_pitch, int K,
                                             int C, int KH, int KW, int SH, int SW, int PH, int PW,
                                             int DH, int DW, int groups, int splits) {
  convolve<true>(gy, w, nullptr, gx, N, OH, OW, gy_pitch, H, W, gx_pitch, K, C, KH, KW, SH, SW, PH,
                 PW, DH, DW, groups, splits, 0, 0);
}
