// Sums that several blocks made parts of, each its own: added in order, so that they repeat to the
// bit.
#include "device.cuh"

// y[i] = parts[0][i] + parts[1][i] + ...
extern "C" __global__ void add_parts(const real* parts, real* y, int splits, int numbers) {
  int i = thread_number();
  if (i >= numbers) return;
  real sum = parts[i];
  for (int s = 1; s < splits; s++) sum += parts[(long long)s * numbers + i];
  y[i] = sum;
}
