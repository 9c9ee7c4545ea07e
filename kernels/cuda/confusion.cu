// The confusion matrix, counted: every block counts some of the pixels in shared memory, with
// integers, whose sum does not depend on the order. Of a matrix too large for that a block has
// ``cells`` neighbouring numbers, and other blocks (blockIdx.y) the others.
#include "device.cuh"

// parts[b, cell] = the number of pixels of block b with label * classes + prediction == cell
extern "C" __global__ void count_pairs(const label_type* labels, const prediction_type* predictions,
                                       int* parts, long long ignore_index, int classes, int cells,
                                       int pixels, int P) {
  DYNAMIC_SHARED(int, counts);
  long long whole = (long long)classes * classes, first = (long long)blockIdx.y * cells;
  for (int i = threadIdx.x; i < cells; i += blockDim.x) counts[i] = 0;
  __syncthreads();
  int end = min((blockIdx.x + 1) * pixels, P);
  for (int p = blockIdx.x * pixels + threadIdx.x; p < end; p += blockDim.x) {
    long long label = labels[p];
    long long cell = label * classes + (long long)predictions[p] - first;
    if (label != ignore_index && cell >= 0 && cell < cells) atomicAdd(&counts[cell], 1);
  }
  __syncthreads();
  for (int i = threadIdx.x; i < cells && first + i < whole; i += blockDim.x)
    parts[blockIdx.x * whole + first + i] = counts[i];
}
