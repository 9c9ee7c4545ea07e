// The gradient of a convolution's filters on Hopper's tensor cores (sm_90a), in TF32:
//
//   gw[k, tap, c] = sum over pixels of  gy[pixel, k] x[source(pixel, tap), c]
//
// The sums run over pixels, but wgmma reads what it finds in shared memory along the sums alone: gy
// comes turned (turn.cu). x goes through registers, where every lane gathers what it needs.
//
// A block makes 64 filters' gradients for 64 channels and nine taps: nine products of 64 x 64, three by
// each of three warpgroups. It goes through patches of 64 pixels; the copy engine fetches what a patch
// sees of x once for all taps (64 channels: two boxes of 32), and gy's numbers twice 32. The fourth
// warpgroup fetches. full and free: see conv_hopper.cu.
#include "hopper.cuh"

const int WARPS = 12;            // that multiply
const int DEEPEST = 8;           // places at most
const int ROW = 128;             // bytes: 32 numbers
const int LEAST = 8 * ROW;       // bytes: boxes begin at multiples of it

// x (N, H, W, C) in boxes (1, rows, columns, 32) of what a patch sees, gy (K, patches * 64) in boxes (64,
// 32). parts (splits, K, KH*KW, C). grid: (ceil(C / 64) * ceil(K / 64), ceil(taps / 9), splits).
// x_places, gy_places: how many patches of x and boxes of gy have room in shared memory.
extern "C" __global__ void __launch_bounds__(512, 1)
conv2d_grad_weight_hopper(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap gy,
                          float* parts, int N, int OH, int OW, int C, int K, int KH, int KW, int SH, int SW,
                          int PH, int PW, int DH, int DW, int patch_h, int patch_w, int x_places,
                          int gy_places, int splits) {
  DYNAMIC_SHARED(unsigned char, room);
  __shared__ Barrier x_full[DEEPEST], x_free[DEEPEST], gy_full[DEEPEST], gy_free[DEEPEST];
  __shared__ int seen[64];  // where in a box of x the row is that each pixel sees first
  int columns = (patch_w - 1) * SW + (KW - 1) * DW + 1, rows = (patch_h - 1) * SH + (KH - 1) * DH + 1;
  int box = rows * columns * ROW, box_size = (box + LEAST - 1) / LEAST * LEAST;
  unsigned char* gradients = room + x_places * 2 * box_size;
  const int GY_SIZE = 64 * ROW;
  int across = (OW + patch_w - 1) / patch_w, down = (OH + patch_h - 1) / patch_h;
  int tiles = (C + 63) / 64, first_c = blockIdx.x % tiles * 64, first_k = blockIdx.x / tiles * 64;
  int all = N * down * across, share = (all + splits - 1) / splits, begin = blockIdx.z * share;
  int patches = max(0, min(share, all - begin)), taps = KH * KW;
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;

  if (threadIdx.x < DEEPEST) {
    int i = threadIdx.x;
    barrier_init(&x_full[i], 1), barrier_init(&gy_full[i], 1);
    barrier_init(&x_free[i], WARPS), barrier_init(&gy_free[i], WARPS);
    barriers_are_made();
  }
  if (threadIdx.x < 64) {
    int p = min((int)threadIdx.x, patch_h * patch_w - 1);
    seen[threadIdx.x] = (p / patch_w * SH * columns + p % patch_w * SW) * ROW;
  }
  __syncthreads();

  if (warp >= WARPS) {
    keep_registers<32>();
    if (threadIdx.x > 32 * WARPS) return;
    for (int step = 0; step < 2 * patches; step++) {
      int i = step / 2, patch = begin + i, place = i % x_places, gy_place = step % gy_places;
      if (step % 2 == 0) {
        int w = patch % across * patch_w * SW - PW, h = patch / across % down * patch_h * SH - PH;
        int n = patch / across / down;
        if (i >= x_places) barrier_wait(&x_free[place], i / x_places - 1);
        barrier_announce(&x_full[place], 2 * box);
        for (int half = 0; half < 2; half++)
          fetch(room + (2 * place + half) * box_size, &x, &x_full[place], first_c + 32 * half, w, h, n);
      }
      if (step >= gy_places) barrier_wait(&gy_free[gy_place], step / gy_places - 1);
      barrier_announce(&gy_full[gy_place], GY_SIZE);
      fetch(gradients + gy_place * GY_SIZE, &gy, &gy_full[gy_place], patch * 64 + step % 2 * 32, first_k);
    }
    return;
  }
  take_registers<160>();

  // Of the products' 16 rows of a warp this lane has two, for channels c0 of both boxes; of eight
  // pixels it has two.
  int first_tap = blockIdx.y * 9 + warp / 4 * 3, c0 = warp % 4 * 8 + lane / 4, shift[3];
  float sums[3][32];
#pragma unroll
  for (int t = 0; t < 3; t++) {
    int tap = min(first_tap + t, taps - 1);
    shift[t] = (tap / KW * DH * columns + tap % KW * DW) * ROW + c0 * 4;
#pragma unroll
    for (int e = 0; e < 32; e++) sums[t][e] = 0;
    settle(sums[t]);
  }

  int gy_place = 0, gy_round = 0, done = -1;  // done: the place of the gradients before these
  for (int patch = 0; patch < patches; patch++) {
    int place = patch % x_places;
    int boxes = 2 * place * box_size;
    barrier_wait(&x_full[place], patch / x_places);
    for (int part = 0; part < 2; part++) {
      const float* gradient = (const float*)(gradients + gy_place * GY_SIZE);
      barrier_wait(&gy_full[gy_place], gy_round);
#pragma unroll
      for (int k = 0; k < 4; k++) {  // eight pixels: this lane's are 2q and 2q + 1
        int p = part * 32 + k * 8 + lane % 4 * 2, from[2] = {seen[p], seen[p + 1]};
        unsigned numbers[3][4];
#pragma unroll
        for (int t = 0; t < 3; t++)
#pragma unroll
          for (int e = 0; e < 2; e++) {
            int at = swizzled(from[e] + (shift[t] + boxes));
            numbers[t][2 * e] = *(const unsigned*)(room + at);
            numbers[t][2 * e + 1] = *(const unsigned*)(room + at + box_size);
          }
        products_begin();
#pragma unroll
        for (int t = 0; t < 3; t++) multiply(sums[t], numbers[t], rows_of(gradient + 8 * k));
        products_end();
        products_wait<1>();
        if (k == 0) barrier_arrive(&gy_free[max(done, 0)], lane == 0 && done >= 0);
      }
      done = gy_place;
      if (++gy_place == gy_places) gy_place = 0, gy_round++;
    }
    __syncwarp();
    barrier_arrive(&x_free[place], lane == 0);
  }
  products_wait<0>();

  parts += (long long)blockIdx.z * K * taps * C;
#pragma unroll
  for (int t = 0; t < 3; t++)
#pragma unroll
    for (int e = 0; e < 32; e++) {
      int k = first_k + e / 4 * 8 + lane % 4 * 2 + e % 2, c = first_c + c0 + e % 4 / 2 * 32;
      if (first_tap + t < taps && k < K && c < C)
        parts[((long long)k * taps + first_tap + t) * C + c] = sums[t][e];
    }
}
