// Parameter updates, in place: of all parameters of a net in one launch.
//
// ``table`` has a row for each parameter: the addresses of its ARRAYS arrays, how many numbers they
// have, and the first of the blocks of threads that update it. ``numbers`` has a row of CONSTANTS.
#include "vector.cuh"

// What a block updates: some numbers, from ``first`` to ``end``, of parameter ``row``.
struct Part { int row; long long first, end; };

template <int ARRAYS>
__device__ __forceinline__ Part part_of_block(const long long* table, int parameters, int pieces) {
  int low = 0, high = parameters;  // the parameter is one of low ... high - 1
  while (high - low > 1) {
    int middle = (low + high) / 2;
    if (table[middle * (ARRAYS + 2) + ARRAYS + 1] <= blockIdx.x) low = middle;
    else high = middle;
  }
  const long long* row = table + low * (ARRAYS + 2);
  long long first = (blockIdx.x - row[ARRAYS + 1]) * pieces, end = first + pieces;
  return {low, first, end < row[ARRAYS] ? end : row[ARRAYS]};
}

template <int ARRAYS>
__device__ __forceinline__ real* array_of(const long long* table, int row, int i) {
  return (real*)table[row * (ARRAYS + 2) + i];
}

// v <- momentum v + rate (g + decay w);  w <- w - v.  numbers: rate, momentum, decay
extern "C" __global__ void sgd(const long long* table, const real* numbers, int parameters,
                               int pieces) {
  Part part = part_of_block<3>(table, parameters, pieces);
  real* w = array_of<3>(table, part.row, 0);
  real* v = array_of<3>(table, part.row, 1);
  const real* g = array_of<3>(table, part.row, 2);
  const real* c = numbers + part.row * 3;
  real rate = c[0], momentum = c[1], decay = c[2];
  for (long long i = part.first + threadIdx.x * WIDTH; i < part.end; i += blockDim.x * WIDTH) {
    int count = part.end - i;
    Vector weight = load(w + i, count), velocity = load(v + i, count), slope = load(g + i, count);
#pragma unroll
    for (int k = 0; k < WIDTH; k++) {
      velocity.at[k] = momentum * velocity.at[k] + rate * (slope.at[k] + decay * weight.at[k]);
      weight.at[k] -= velocity.at[k];
    }
    store(v + i, velocity, count);
    store(w + i, weight, count);
  }
}

// m <- beta1 m + (1 - beta1) g;  s <- beta2 s + (1 - beta2) g^2;
// w <- keep w - rate m / (sqrt(s / unbias) + epsilon).  numbers: all of these, in this order
extern "C" __global__ void adamw(const long long* table, const real* numbers, int parameters,
                                 int pieces) {
  Part part = part_of_block<4>(table, parameters, pieces);
  real* w = array_of<4>(table, part.row, 0);
  real* m = array_of<4>(table, part.row, 1);
  real* s = array_of<4>(table, part.row, 2);
  const real* g = array_of<4>(table, part.row, 3);
  const real* c = numbers + part.row * 8;
  real beta1 = c[0], one_beta1 = c[1], beta2 = c[2], one_beta2 = c[3];
  real keep = c[4], rate = c[5], unbias = c[6], epsilon = c[7];
  for (long long i = part.first + threadIdx.x * WIDTH; i < part.end; i += blockDim.x * WIDTH) {
    int count = part.end - i;
    Vector weight = load(w + i, count), mean = load(m + i, count);
    Vector square = load(s + i, count), slope = load(g + i, count);
#pragma unroll
    for (int k = 0; k < WIDTH; k++) {
      real x = slope.at[k];
      mean.at[k] = beta1 * mean.at[k] + one_beta1 * x;
      square.at[k] = beta2 * square.at[k] + one_beta2 * x * x;
      real step = rate * mean.at[k] / (sqrt(square.at[k] / unbias) + epsilon);
      weight.at[k] = keep * weight.at[k] - step;
    }
    store(m + i, mean, count);
    store(s + i, square, count);
    store(w + i, weight, count);
  }
}
