// The bilinear filter of one axis (see filters.py): 1 - |i - (k-1)/2| / f for the taps i = 0..k-1,
// where f = (k+1)/2 without its remainder. All taps are positive.
#pragma once
#include "device.cuh"

struct Triangle {
  int k, twice;  // 2f
  real unit;     // 1 / 2f

  __device__ __forceinline__ Triangle(int k)
      : k(k), twice((k + 1) / 2 * 2), unit(real(1) / twice) {}

  __device__ __forceinline__ real operator()(int i) const {
    return (twice - abs(2 * i - k + 1)) * unit;
  }
};
