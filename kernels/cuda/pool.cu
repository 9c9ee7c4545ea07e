// Pooling and its gradients, channels last: a thread for 16 bytes of the channels of each output pixel,
// or, backwards, of each pixel of the image, which gathers from the windows that it lies in. Nothing is
// added up by several threads, so results repeat to the bit.
#include "vector.cuh"
#include "window.cuh"

// Thread -> (n, h, w) of maps (N, H, W, C), the channel c that its vector begins with, how many there
// are from it on, and where that is.
struct Place {
  int n, h, w, c, count, H, W, C;
  __device__ __forceinline__ Place(int i, int H, int W, int C) : H(H), W(W), C(C) {
    int vectors = (C + WIDTH - 1) / WIDTH;
    c = i % vectors * WIDTH, i /= vectors;
    w = i % W, i /= W;
    h = i % H, n = i / H;
    count = C - c;
  }
  __device__ __forceinline__ long long index() const { return at(h, w, H, W); }
  // The same channels of another pixel of this image, in maps of another size.
  __device__ __forceinline__ long long at(int h, int w, int H, int W) const {
    return (long long)((n * H + h) * W + w) * C + c;
  }
};

// The taps that go with a vector.
struct alignas(WIDTH * sizeof(tap_type)) Taps { tap_type at[WIDTH]; };
__device__ __forceinline__ bool taps_at_once(const tap_type* p, int count) {
  return count >= WIDTH && (unsigned long long)p % sizeof(Taps) == 0;
}

// y = max over the window, argmax = i*KW + j of the first maximal tap; NaN is maximal.
extern "C" __global__ void max_pool(const real* x, real* y, tap_type* argmax, int want_argmax,
                                    int H, int W, int OH, int OW, int C, int KH, int KW, int SH,
                                    int SW, int PH, int PW, int DH, int DW, int threads) {
  int t = thread_number();
  if (t >= threads) return;
  Place at(t, OH, OW, C);
  Vector best;
  Taps best_tap = {};
#pragma unroll
  for (int k = 0; k < WIDTH; k++) best.at[k] = -INFINITY;
  pixels_under(at.h, at.w, H, W, KH, KW, SH, SW, PH, PW, DH, DW, [&](int h, int w, int tap) {
    Vector value = load(x + at.at(h, w, H, W), at.count);
#pragma unroll
    for (int k = 0; k < WIDTH; k++) {
      real v = value.at[k], b = best.at[k];
      if (!(v <= b) && b == b) best.at[k] = v, best_tap.at[k] = tap;
    }
  });
  store(y + at.index(), best, at.count);
  if (!want_argmax) return;
  tap_type* to = argmax + at.index();
  if (taps_at_once(to, at.count)) {
    *(Taps*)to = best_tap;
    return;
  }
#pragma unroll
  for (int k = 0; k < WIDTH; k++)
    if (k < at.count) to[k] = best_tap.at[k];
}

// gx = the sum of the gy of all windows whose maximum this pixel was.
extern "C" __global__ void max_pool_grad(const real* gy, const tap_type* argmax, real* gx, int H,
                                         int W, int OH, int OW, int C, int KH, int KW, int SH,
                                         int SW, int PH, int PW, int DH, int DW, int threads) {
  int t = thread_number();
  if (t >= threads) return;
  Place at(t, H, W, C);
  Vector sum = {};
  windows_around(at.h, at.w, OH, OW, KH, KW, SH, SW, PH, PW, DH, DW, [&](int oh, int ow, int tap) {
    long long window = at.at(oh, ow, OH, OW);
    Vector g = load(gy + window, at.count);
    const tap_type* from = argmax + window;
    Taps taps;
    if (taps_at_once(from, at.count)) {
      taps = *(const Taps*)from;
    } else {
#pragma unroll
      for (int k = 0; k < WIDTH; k++) taps.at[k] = k < at.count ? from[k] : 0;
    }
#pragma unroll
    for (int k = 0; k < WIDTH; k++) sum.at[k] += taps.at[k] == tap ? g.at[k] : real(0);
  });
  store(gx + at.index(), sum, at.count);
}

// How many taps of a window lie inside the image or its padding, along one axis.
__device__ __forceinline__ int taps_inside(int o, int n, int K, int S, int P, int D) {
  int inside = 0;
  for (int i = 0; i < K; i++) inside += o * S - P + i * D < n + P;
  return inside;
}

extern "C" __global__ void avg_pool(const real* x, real* y, int H, int W, int OH, int OW, int C,
                                    int KH, int KW, int SH, int SW, int PH, int PW, int DH, int DW,
                                    int threads) {
  int t = thread_number();
  if (t >= threads) return;
  Place at(t, OH, OW, C);
  Vector sum = {};
  pixels_under(at.h, at.w, H, W, KH, KW, SH, SW, PH, PW, DH, DW, [&](int h, int w, int) {
    add(sum, load(x + at.at(h, w, H, W), at.count));
  });
  int count = taps_inside(at.h, H, KH, SH, PH, DH) * taps_inside(at.w, W, KW, SW, PW, DW);
#pragma unroll
  for (int k = 0; k < WIDTH; k++) sum.at[k] /= count;
  store(y + at.index(), sum, at.count);
}

extern "C" __global__ void avg_pool_grad(const real* gy, real* gx, int H, int W, int OH, int OW,
                                         int C, int KH, int KW, int SH, int SW, int PH, int PW,
                                         int DH, int DW, int threads) {
  int t = thread_number();
  if (t >= threads) return;
  Place at(t, H, W, C);
  Vector sum = {};
  windows_around(at.h, at.w, OH, OW, KH, KW, SH, SW, PH, PW, DH, DW, [&](int oh, int ow, int) {
    int count = taps_inside(oh, H, KH, SH, PH, DH) * taps_inside(ow, W, KW, SW, PW, DW);
    Vector g = load(gy + at.at(oh, ow, OH, OW), at.count);
#pragma unroll
    for (int k = 0; k < WIDTH; k++) sum.at[k] += g.at[k] / count;
  });
  store(gx + at.index(), sum, at.count);
}
