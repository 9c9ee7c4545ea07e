// log(e^x0 + e^x1 + ...), in one walk over the numbers and without overflow.
#pragma once
#include "device.cuh"

const int SOME = 4;  // numbers that a thread takes at a time: that many reads are on their way

// ``top`` is the largest number so far and ``total`` the sum of e^(x - top): where a larger one
// comes, what was added before shrinks. Minus infinity adds nothing; NaN and infinity make NaN,
// and so do numbers that are all minus infinity.
struct LogSumExp {
  real top = -INFINITY, total = 0;

  __device__ __forceinline__ void add(const real (&x)[SOME]) {
    real high = top, sum = 0;
#pragma unroll
    for (int i = 0; i < SOME; i++) high = x[i] > high ? x[i] : high;
    real base = finite(high);
#pragma unroll
    for (int i = 0; i < SOME; i++) sum += exp(x[i] - base);
    total = total * exp(top - base) + sum;
    top = high;
  }

  // Add what the other lanes have, of so many neighbours: all have the same bits then.
  __device__ __forceinline__ void add_lanes(int lanes) {
    for (int step = lanes / 2; step > 0; step /= 2) {
      real top2 = __shfl_xor_sync(~0u, top, step), total2 = __shfl_xor_sync(~0u, total, step);
      bool mine = top >= top2;
      real high = mine ? top : top2, low = mine ? top2 : top;
      real large = mine ? total : total2, small = mine ? total2 : total;
      total = large + small * exp(low - finite(high));
      top = high;
    }
  }

  __device__ __forceinline__ real value() const { return log(total) + top + (top - top); }

  // exp(-inf - -inf) is no number, exp(-inf - 0) is none at all.
  static __device__ __forceinline__ real finite(real high) { return high == -INFINITY ? 0 : high; }
};
