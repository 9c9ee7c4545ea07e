// What follows a product that another library made: y = max(y + bias, 0), in place, channels last.
#include "device.cuh"

// y (pixels, K), a pixel every ``pitch`` numbers; has_bias, relu: which of both.
extern "C" __global__ void bias_relu(const real* bias, real* y, int K, int pitch, int has_bias,
                                     int relu, int numbers) {
  int t = thread_number();
  if (t >= numbers) return;
  long long place = (long long)(t / K) * pitch + t % K;
  real value = y[place];
  if (has_bias) value += bias[t % K];
  if (relu) value = value < 0 ? 0 : value;
  y[place] = value;
}
