// What Hopper's products read along their sums, turned so that it lies that way. A tile of 32 channels
// comes through shared memory, so that neighbouring threads read neighbours and write neighbours; its
// lines are a number longer than they need be, and columns lie in different banks.
#include "device.cuh"

// Maps (N, H, W, C), for the gradient of filters: of every channel a row, its numbers patch by patch. A
// patch of patch_h x patch_w pixels has 64 places, zeros where it has fewer pixels or lies beyond the map.
// Of every eight pixels those with even numbers come first: 0, 2, 4, 6, 1, 3, 5, 7.
//
// rows (C, patches * 64). grid: (patches, ceil(C / 32)), 256 threads.
extern "C" __global__ void turn_patches(const real* maps, real* rows, int N, int H, int W, int C, int patch_h,
                                        int patch_w) {
  __shared__ real tile[64][33];  // pixel, channel
  int across = (W + patch_w - 1) / patch_w, down = (H + patch_h - 1) / patch_h;
  int n = blockIdx.x / across / down, first_h = blockIdx.x / across % down * patch_h;
  int first_w = blockIdx.x % across * patch_w, first_c = blockIdx.y * 32;
  for (int i = threadIdx.x; i < 64 * 32; i += blockDim.x) {
    int p = i / 32, c = first_c + i % 32, h = first_h + p / patch_w, w = first_w + p % patch_w;
    bool inside = p < patch_h * patch_w && h < H && w < W && c < C;
    tile[p][i % 32] = inside ? maps[((long long)(n * H + h) * W + w) * C + c] : 0;
  }
  __syncthreads();
  for (int i = threadIdx.x; i < 64 * 32; i += blockDim.x) {
    int place = i % 64, c = i / 64, p = place / 8 * 8 + place % 4 * 2 + place % 8 / 4;
    if (first_c + c < C) rows[((long long)(first_c + c) * gridDim.x + blockIdx.x) * 64 + place] = tile[p][c];
  }
}

// Filters (K, taps, C), for the gradient of the input: (C, taps, K), the last tap first.
//
// grid: (ceil(C / 32), ceil(K / 32), taps), 32 x 8 threads.
extern "C" __global__ void turn_filters(const real* w, real* turned, int K, int C) {
  __shared__ real tile[32][33];  // filter, channel
  int taps = gridDim.z, tap = blockIdx.z, c0 = blockIdx.x * 32, k0 = blockIdx.y * 32;
  for (int i = threadIdx.y; i < 32; i += blockDim.y) {
    int k = k0 + i, c = c0 + threadIdx.x;
    if (k < K && c < C) tile[i][threadIdx.x] = w[((long long)k * taps + tap) * C + c];
  }
  __syncthreads();
  for (int i = threadIdx.y; i < 32; i += blockDim.y) {
    int k = k0 + threadIdx.x, c = c0 + i;
    if (k < K && c < C) turned[((long long)c * taps + taps - 1 - tap) * K + k] = tile[threadIdx.x][i];
  }
}
