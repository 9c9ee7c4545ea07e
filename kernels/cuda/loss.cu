// The per-pixel softmax loss and its gradient, channels last: scores (pixels, K).
#include "log_sum_exp.cuh"

// losses = weight[label] * (log_sum_exp - score of the label), 0 where ignored.
//
// ``lanes`` neighbouring threads have a pixel, each SOME of its classes at a time, so that
// neighbours read neighbours. A pixel: K scores and its label read (4K + 1 or 8 bytes), 8 bytes
// written.
extern "C" __global__ void cross_entropy(const real* scores, const label_type* labels,
                                         const real* weight, int weighted, long long ignore_index,
                                         real* losses, real* log_sum_exp, int K, int lanes,
                                         int threads) {
  int t = thread_number(), pixel = t / lanes, lane = t % lanes;
  bool inside = t < threads;
  const real* x = scores + (long long)pixel * K;
  LogSumExp sum;
  for (int k = inside ? lane : K; k < K; k += SOME * lanes) {
    real some[SOME];
#pragma unroll
    for (int i = 0; i < SOME; i++) some[i] = k + i * lanes < K ? x[k + i * lanes] : -INFINITY;
    sum.add(some);
  }
  sum.add_lanes(lanes);
  if (!inside || lane > 0) return;
  real value = sum.value(), loss = 0;
  long long label = labels[pixel];
  if (label != ignore_index) {
    loss = value - x[label];
    if (weighted) loss *= weight[label];
  }
  log_sum_exp[pixel] = value;
  losses[pixel] = loss;
}

// gscores[k] = scale * (e^(score - log_sum_exp) - [k = label]), 0 where ignored: a thread a number.
// A pixel: 4K + 8 bytes and its label read, 4K written; what all its classes need is read once from
// memory and K times from the first-level cache.
extern "C" __global__ void cross_entropy_grad(const real* scores, const label_type* labels,
                                              const real* log_sum_exp, const real* pixel_scale,
                                              long long ignore_index, real* gscores, int K,
                                              int numbers) {
  int t = thread_number();
  if (t >= numbers) return;
  int pixel = t / K, k = t - pixel * K;
  long long label = labels[pixel];
  real share = exp(scores[t] - log_sum_exp[pixel]) - (k == label ? 1 : 0);
  gscores[t] = label == ignore_index ? real(0) : share * pixel_scale[pixel];
}
