// The rectifier's gradient, and sums over pixels, channels last.
#include "vector.cuh"

// gx = gy where y > 0, else 0; gx may be gy. A thread has 16 bytes of each.
extern "C" __global__ void relu_grad(const real* gy, const real* y, real* gx, int numbers) {
  int i = thread_number() * WIDTH, count = numbers - i;
  if (count <= 0) return;
  Vector g = load(gy + i, count), v = load(y + i, count);
#pragma unroll
  for (int k = 0; k < WIDTH; k++) g.at[k] = v.at[k] > 0 ? g.at[k] : real(0);
  store(gx + i, g, count);
}

const int THREADS = 256;  // of a block, at most
const int BATCH = 4;      // pixels that a thread reads before it waits for them
const int SHORT = 16;     // pixels that are added up on their own, so that long sums stay exact

// sums[b, c] = the sum of gx[p, c] over the pixels p of block b, where gx is gy, or with RECTIFY
// relu_grad(gy, y). A pixel of an array begins ``pitch`` numbers after the one before it.
//
// The threads of a block are lanes (threadIdx.y) of pixels, and threadIdx.x is 16 bytes of their
// channels: neighbouring threads read neighbouring addresses, through all channels and on into the
// next pixel. A thread adds up every so manieth pixel; then the lanes are added, half to half. The
// order depends on the shape alone.
template <bool RECTIFY>
__device__ __forceinline__ void sum_pixels(const real* gy, const real* y, real* gx, real* sums,
                                           int gy_pitch, int y_pitch, int gx_pitch, int C,
                                           int pixels, int P) {
  __shared__ Vector shown[THREADS];
  int c = (blockIdx.y * blockDim.x + threadIdx.x) * WIDTH, lanes = blockDim.y;
  int end = min((blockIdx.x + 1) * pixels, P);
  Vector total = {};
  for (int first = blockIdx.x * pixels + threadIdx.y; first < end; first += SHORT * lanes) {
    Vector some = {};
    for (int p = first; p < first + SHORT * lanes; p += BATCH * lanes) {
      Vector g[BATCH], v[BATCH];
#pragma unroll
      for (int i = 0; i < BATCH; i++) {
        long long q = p + i * lanes;
        int count = q < end ? C - c : 0;
        g[i] = load(gy + q * gy_pitch + c, count);
        if (RECTIFY) v[i] = load(y + q * y_pitch + c, count);
      }
#pragma unroll
      for (int i = 0; i < BATCH; i++) {
        long long q = p + i * lanes;
        if (RECTIFY) {
#pragma unroll
          for (int k = 0; k < WIDTH; k++) g[i].at[k] = v[i].at[k] > 0 ? g[i].at[k] : real(0);
          store(gx + q * gx_pitch + c, g[i], q < end ? C - c : 0);
        }
        add(some, g[i]);
      }
    }
    add(total, some);
  }
  int me = threadIdx.y * blockDim.x + threadIdx.x;
  shown[me] = total;
  for (int n = lanes, half; n > 1; n = half) {
    half = (n + 1) / 2;
    __syncthreads();
    if (threadIdx.y + half < n) add(shown[me], shown[me + half * blockDim.x]);
  }
  if (threadIdx.y == 0) store(sums + (long long)blockIdx.x * C + c, shown[me], C - c);
}

extern "C" __global__ void bias_grad(const real* gy, real* sums, int gy_pitch, int C, int pixels,
                                     int P) {
  sum_pixels<false>(gy, gy, nullptr, sums, gy_pitch, 0, 0, C, pixels, P);
}

extern "C" __global__ void relu_bias_grad(const real* gy, const real* y, real* gx, real* sums,
                                          int gy_pitch, int y_pitch, int gx_pitch, int C,
                                          int pixels, int P) {
  sum_pixels<true>(gy, y, gx, sums, gy_pitch, y_pitch, gx_pitch, C, pixels, P);
}
