// Neighbouring numbers that a thread moves at once: 16 bytes of them.
#pragma once
#include "device.cuh"

const int WIDTH = 16 / sizeof(real);
struct alignas(16) Vector { real at[WIDTH]; };

// Whether the ``count`` numbers at p can be moved at once.
__device__ __forceinline__ bool at_once(const real* p, int count) {
  return count >= WIDTH && (unsigned long long)p % 16 == 0;
}

// The first ``count`` numbers at p, at most WIDTH, and zeros after them.
__device__ __forceinline__ Vector load(const real* p, int count) {
  if (at_once(p, count)) return *(const Vector*)p;
  Vector v;
#pragma unroll
  for (int k = 0; k < WIDTH; k++) v.at[k] = k < count ? p[k] : real(0);
  return v;
}

__device__ __forceinline__ void store(real* p, const Vector& v, int count) {
  if (at_once(p, count)) {
    *(Vector*)p = v;
    return;
  }
#pragma unroll
  for (int k = 0; k < WIDTH; k++)
    if (k < count) p[k] = v.at[k];
}

__device__ __forceinline__ void add(Vector& sum, const Vector& v) {
#pragma unroll
  for (int k = 0; k < WIDTH; k++) sum.at[k] += v.at[k];
}
