// Pooling and its gradients, channels last: one thread for each output number, or, backwards, for
// each number of the image, which gathers from the windows that it lies in. Nothing is added up by
// several threads, so results repeat to the bit.
#include "window.cuh"

// Thread -> (n, h, w, c) of maps (N, H, W, C).
struct Place { int n, h, w, c; };
__device__ __forceinline__ Place place_of(int i, int H, int W, int C) {
  Place at;
  at.c = i % C, i /= C;
  at.w = i % W, i /= W;
  at.h = i % H, at.n = i / H;
  return at;
}

// y = max over the window, argmax = i*KW + j of the first maximal tap; NaN is maximal.
extern "C" __global__ void max_pool(const real* x, real* y, tap_type* argmax, int want_argmax,
                                    int H, int W, int OH, int OW, int C, int KH, int KW, int SH,
                                    int SW, int PH, int PW, int DH, int DW, int numbers) {
  int t = thread_number();
  if (t >= numbers) return;
  Place at = place_of(t, OH, OW, C);
  real best = -INFINITY;
  int best_tap = 0;
  pixels_under(at.h, at.w, H, W, KH, KW, SH, SW, PH, PW, DH, DW, [&](int h, int w, int tap) {
    real value = x[((at.n * H + h) * W + w) * C + at.c];
    if (!(value <= best) && best == best) best = value, best_tap = tap;
  });
  y[t] = best;
  if (want_argmax) argmax[t] = best_tap;
}

// gx = the sum of the gy of all windows whose maximum this pixel was.
extern "C" __global__ void max_pool_grad(const real* gy, const tap_type* argmax, real* gx, int H,
                                         int W, int OH, int OW, int C, int KH, int KW, int SH,
                                         int SW, int PH, int PW, int DH, int DW, int numbers) {
  int t = thread_number();
  if (t >= numbers) return;
  Place at = place_of(t, H, W, C);
  real sum = 0;
  windows_around(at.h, at.w, OH, OW, KH, KW, SH, SW, PH, PW, DH, DW, [&](int oh, int ow, int tap) {
    int window = ((at.n * OH + oh) * OW + ow) * C + at.c;
    if (argmax[window] == tap) sum += gy[window];
  });
  gx[t] = sum;
}

// How many taps of a window lie inside the image or its padding, along one axis.
__device__ __forceinline__ int taps_inside(int o, int n, int K, int S, int P, int D) {
  int inside = 0;
  for (int i = 0; i < K; i++) inside += o * S - P + i * D < n + P;
  return inside;
}

extern "C" __global__ void avg_pool(const real* x, real* y, int H, int W, int OH, int OW, int C,
                                    int KH, int KW, int SH, int SW, int PH, int PW, int DH, int DW,
                                    int numbers) {
  int t = thread_number();
  if (t >= numbers) return;
  Place at = place_of(t, OH, OW, C);
  real sum = 0;
  pixels_under(at.h, at.w, H, W, KH, KW, SH, SW, PH, PW, DH, DW, [&](int h, int w, int) {
    sum += x[((at.n * H + h) * W + w) * C + at.c];
  });
  int count = taps_inside(at.h, H, KH, SH, PH, DH) * taps_inside(at.w, W, KW, SW, PW, DW);
  y[t] = sum / count;
}

extern "C" __global__ void avg_pool_grad(const real* gy, real* gx, int H, int W, int OH, int OW,
                                         int C, int KH, int KW, int SH, int SW, int PH, int PW,
                                         int DH, int DW, int numbers) {
  int t = thread_number();
  if (t >= numbers) return;
  Place at = place_of(t, H, W, C);
  real sum = 0;
  windows_around(at.h, at.w, OH, OW, KH, KW, SH, SW, PH, PW, DH, DW, [&](int oh, int ow, int) {
    int count = taps_inside(oh, H, KH, SH, PH, DH) * taps_inside(ow, W, KW, SW, PW, DW);
    sum += gy[((at.n * OH + oh) * OW + ow) * C + at.c] / count;
  });
  gx[t] = sum;
}
