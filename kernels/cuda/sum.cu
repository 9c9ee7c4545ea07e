// Sums that several blocks made parts of, each its own: added in order, so that they repeat to the
// bit.
#include "device.cuh"

// y = max(parts[0] + parts[1] + ... + bias, 0), maps of K channels, a pixel of y every ``pitch``
// numbers; has_bias, relu: which of both.
extern "C" __global__ void add_parts_of_maps(const real* parts, const real* bias, real* y, int K,
                                             int pitch, int splits, int has_bias, int relu,
                                             int numbers) {
  int i = thread_number();
  if (i >= numbers) return;
  real sum = parts[i];
  for (int s = 1; s < splits; s++) sum += parts[(long long)s * numbers + i];
  if (has_bias) sum += bias[i % K];
  if (relu) sum = sum < 0 ? 0 : sum;
  y[(long long)(i / K) * pitch + i % K] = sum;
}

// y[i] = parts[0][i] + parts[1][i] + ...
extern "C" __global__ void add_parts(const real* parts, real* y, int splits, int numbers) {
  int i = thread_number();
  if (i >= numbers) return;
  real sum = parts[i];
  for (int s = 1; s < splits; s++) sum += parts[(long long)s * numbers + i];
  y[i] = sum;
}
