// Local response normalisation, channels last: a block has some pixels (threadIdx.y), of each of
// them some channels (threadIdx.x). What a window adds up is laid into shared memory once, in lines
// that reach ``before`` channels to the left and ``after`` to the right, with zeros where there is
// no channel; then every thread adds up its window.
#include "device.cuh"

// s^-beta
__device__ __forceinline__ real inverse_power(real s, real beta) {
  if (beta != real(0.75)) return pow(s, -beta);
  real root = sqrt(s);
  return 1 / (root * sqrt(root));
}

// The sum of value(c') over c' = c - before ... c + after, where c is this thread's channel. All
// threads of a block come here, those beyond the last channel or pixel too (``inside``: is not).
template <class Value>
__device__ __forceinline__ real window_sum(int c, int C, int before, int after, bool inside,
                                           Value value) {
  DYNAMIC_SHARED(real, lines);
  int length = blockDim.x + before + after, start = blockIdx.y * blockDim.x - before;
  real* line = lines + threadIdx.y * length;
  for (int i = threadIdx.x; i < length; i += blockDim.x) {
    int other = start + i;
    line[i] = inside && other >= 0 && other < C ? value(other) : real(0);
  }
  __syncthreads();
  real sum = 0;
  for (int i = 0; i <= before + after; i++) sum += line[threadIdx.x + i];
  return sum;
}

// scale = k + alpha * (sum of x^2 over the window), y = x * scale^-beta; alpha: divided by the size
extern "C" __global__ void normalise(const real* x, real* y, real* scale, real alpha, real beta,
                                     real k, int C, int before, int after, int pixels) {
  int p = blockIdx.x * blockDim.y + threadIdx.y, c = blockIdx.y * blockDim.x + threadIdx.x;
  long long pixel = (long long)p * C;
  real sum = window_sum(c, C, before, after, p < pixels, [&](int other) {
    real value = x[pixel + other];
    return value * value;
  });
  if (p >= pixels || c >= C) return;
  real s = k + alpha * sum;
  scale[pixel + c] = s;
  y[pixel + c] = x[pixel + c] * inverse_power(s, beta);
}

// gx = gy * scale^-beta - factor * x * (sum of gy * y / scale over the mirrored window)
extern "C" __global__ void normalise_grad(const real* gy, const real* x, const real* y,
                                          const real* scale, real* gx, real factor, real beta,
                                          int C, int before, int after, int pixels) {
  int p = blockIdx.x * blockDim.y + threadIdx.y, c = blockIdx.y * blockDim.x + threadIdx.x;
  long long pixel = (long long)p * C;
  real sum = window_sum(c, C, before, after, p < pixels, [&](int other) {
    return gy[pixel + other] * y[pixel + other] / scale[pixel + other];
  });
  if (p >= pixels || c >= C) return;
  long long i = pixel + c;
  gx[i] = gy[i] * inverse_power(scale[i], beta) - factor * x[i] * sum;
}
