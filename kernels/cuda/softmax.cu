// Softmax, its logarithm and their gradients, along one axis of an array (outer, length, inner).
//
// A row, the ``length`` numbers along the axis, has ``lanes`` neighbouring threads: one where the
// rows lie side by side (inner > 1), else up to 32, so that neighbours always read neighbours. A
// thread takes SOME numbers of its row at a time. A row of at most SOME * lanes numbers stays in
// registers: each is read once. Of a longer one each is read twice.
#include "log_sum_exp.cuh"

// Where a thread's numbers are: numbers first, first + step, ... below length, of a row that begins
// at ``row`` and whose numbers lie ``apart``. Threads beyond the last row have none.
struct Row {
  int row, apart, first, step, length;
  __device__ __forceinline__ Row(int length, int inner, int lanes, int threads)
      : apart(inner), step(lanes), length(length) {
    int t = thread_number(), r = t / lanes;
    row = r / inner * length * inner + r % inner;
    first = t < threads ? t % lanes : length;
  }
  __device__ __forceinline__ void load(const real* x, int i, real (&v)[SOME], real beyond) const {
#pragma unroll
    for (int j = 0; j < SOME; j++, i += step) v[j] = i < length ? x[row + i * apart] : beyond;
  }
  __device__ __forceinline__ void store(real* y, int i, const real (&v)[SOME]) const {
#pragma unroll
    for (int j = 0; j < SOME; j++, i += step)
      if (i < length) y[row + i * apart] = v[j];
  }
  __device__ __forceinline__ bool in_registers() const { return length <= SOME * step; }
};

// y = e^x / sum of e^x, or its logarithm. A number: 4 bytes read (8 in long rows), 4 written.
extern "C" __global__ void softmax(const real* x, real* y, int logarithm, int length, int inner,
                                   int lanes, int threads) {
  Row row(length, inner, lanes, threads);
  LogSumExp sum;
  real v[SOME];
  for (int i = row.first; i < length; i += SOME * lanes) {
    row.load(x, i, v, -INFINITY);
    sum.add(v);
  }
  sum.add_lanes(lanes);
  real scale = 1 / sum.total, shift = log(sum.total);
  for (int i = row.first; i < length; i += SOME * lanes) {
    if (!row.in_registers()) row.load(x, i, v, -INFINITY);
#pragma unroll
    for (int j = 0; j < SOME; j++) {
      real below = v[j] - sum.top;
      v[j] = logarithm ? below - shift : exp(below) * scale;
    }
    row.store(y, i, v);
  }
}

// gx = y * (gy - sum of gy*y), or gy - e^y * sum of gy. A number: 8 bytes read (16 in long rows),
// 4 written.
extern "C" __global__ void softmax_grad(const real* gy, const real* y, real* gx, int logarithm,
                                        int length, int inner, int lanes, int threads) {
  Row row(length, inner, lanes, threads);
  real g[SOME], v[SOME], total = 0;
  for (int i = row.first; i < length; i += SOME * lanes) {
    row.load(gy, i, g, 0), row.load(y, i, v, 0);
    real some = 0;
#pragma unroll
    for (int j = 0; j < SOME; j++) some += logarithm ? g[j] : g[j] * v[j];
    total += some;
  }
  for (int step = lanes / 2; step > 0; step /= 2) total += __shfl_xor_sync(~0u, total, step);
  for (int i = row.first; i < length; i += SOME * lanes) {
    if (!row.in_registers()) row.load(gy, i, g, 0), row.load(y, i, v, 0);
#pragma unroll
    for (int j = 0; j < SOME; j++)
      g[j] = logarithm ? g[j] - exp(v[j]) * total : v[j] * (g[j] - total);
    row.store(gx, i, g);
  }
}
