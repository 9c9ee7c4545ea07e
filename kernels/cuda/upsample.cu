// Bilinear upsampling along one axis and its gradient: arrays (outer, n, inner). The two axes of an
// image are two launches. Every number is gathered by one thread, so results repeat to the bit.
//
// blockIdx.x and threadIdx.x count the numbers of a plane (n, inner), blockIdx.y counts planes: a
// thread goes through planes that lie gridDim.y apart, with the same taps.
#include "triangle.cuh"

// y[a] = sum over h of x[h] * triangle[a + p - h*s]: ceil(k/s) taps, two for the nets. A number of
// y: 4 bytes written; its taps are neighbours of other threads' and come from the cache, so that x,
// a 1/s of y, is read about once.
extern "C" __global__ void spread(const real* x, real* y, int outer, int n, int size, int inner,
                                  int k, int s, int p) {
  int t = thread_number();
  if (t >= size * inner) return;
  int i = t % inner, at = t / inner + p, last = min(n - 1, at / s);
  Triangle triangle(k);
  for (int o = blockIdx.y; o < outer; o += gridDim.y) {
    const real* from = x + (long long)o * n * inner + i;
    real sum = 0;
    for (int h = last; h >= 0 && at - h * s < k; h--)
      sum += triangle(at - h * s) * from[(long long)h * inner];
    y[(long long)o * size * inner + t] = sum;
  }
}

// gx[h] = sum over taps i of triangle[i] * gy[h*s - p + i]: k taps. A number of gx: 4 bytes written
// and 4k read, of which k/s are its own: each of gy is read by ceil(k/s) threads that run together,
// from memory the first time.
extern "C" __global__ void gather(const real* gy, real* gx, int outer, int size, int n, int inner,
                                  int k, int s, int p) {
  int t = thread_number();
  if (t >= n * inner) return;
  int start = t / inner * s - p, first = max(0, -start), end = min(k, size - start);
  Triangle triangle(k);
  for (int o = blockIdx.y; o < outer; o += gridDim.y) {
    const real* from = gy + ((long long)o * size + start) * inner + t % inner;
    real sum = 0;
#pragma unroll 8
    for (int i = first; i < end; i++) sum += triangle(i) * from[(long long)i * inner];
    gx[(long long)o * n * inner + t] = sum;
  }
}
