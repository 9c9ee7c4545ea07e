// Convolution on Hopper's tensor cores (sm_90a), channels last, in TF32: forward, and the gradient of
// the input where the stride is one, which is a convolution too, with turned filters (hopper.py).
//
// A block makes a patch of up to 256 pixels, h x w, and BN of their channels. 32 channels at a time,
// the copy engine fetches
//   - the pixels that the patch sees, once for all taps: (h-1)*SH + (KH-1)*DH + 1 rows of them. Nine
//     taps of a 3x3 window read the same 18 x 18 pixels of a patch of 16 x 16, so that the second
//     cache has to bring little more than the filters;
//   - for each tap, these 32 terms of BN filters.
// One thread tells it what to fetch, as soon as a place is free. Two warpgroups (four warps each)
// multiply; each has 128 pixels: pixels go through registers (every lane reads the rows that its taps
// shift it to), filters are read by the tensor cores where they lie. The third warpgroup, that of the
// fetching thread, gives its registers to the other two.
//
//   full[i], of pixels or filters: fetched            the warps that multiply wait for it
//   free[i]: all eight warps are done with it         the thread that fetches waits for it
//
// Sums are cut by channels into ``splits``; each block of one writes into parts[split] (see conv.cu).
#include "hopper.cuh"

const int WARPS = 8;             // that multiply
const int DEEPEST = 8;           // places at most
const int ROW = 128;             // bytes: 32 numbers
const int LEAST = 8 * ROW;       // bytes: places of pixels and filters begin at multiples of it

// With 64 channels two blocks share a multiprocessor, and its registers: a warpgroup then waits for its
// products before it reads the next pixels, while three others multiply. With 128 channels it reads on.
const int BLOCKS = BN == 64 ? 2 : 1, LATER = BN == 64 ? 0 : 1;

// x (N, H, W, C) in boxes (1, rows, columns, 32) of what a patch sees, w (K, KH*KW, C) in boxes (BN, 1,
// 32). y (N, OH, OW, y_pitch), K of its channels, K a multiple of 4. grid: (patches, ceil(K / BN), splits).
// x_places, w_places: how many boxes of each have room in shared memory.
extern "C" __global__ void __launch_bounds__(384, BLOCKS)
conv2d_hopper(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w, const float* bias,
              float* y, int N, int OH, int OW, int y_pitch, int C, int K, int KH, int KW, int SH, int SW,
              int PH, int PW, int DH, int DW, int patch_h, int patch_w, int x_places, int w_places,
              int splits, int has_bias, int relu) {
  DYNAMIC_SHARED(unsigned char, room);
  __shared__ Barrier x_full[DEEPEST], x_free[DEEPEST], w_full[DEEPEST], w_free[DEEPEST];
  int columns = (patch_w - 1) * SW + (KW - 1) * DW + 1, rows = (patch_h - 1) * SH + (KH - 1) * DH + 1;
  int x_bytes = rows * columns * ROW, x_size = (x_bytes + LEAST - 1) / LEAST * LEAST, w_size = BN * ROW;
  unsigned char* filters = room + x_places * x_size;
  int across = (OW + patch_w - 1) / patch_w, down = (OH + patch_h - 1) / patch_h;
  int n = blockIdx.x / across / down, first_h = blockIdx.x / across % down * patch_h;
  int first_w = blockIdx.x % across * patch_w, first_k = blockIdx.y * BN;
  int taps = KH * KW, chunks = (C + 31) / 32, share = (chunks + splits - 1) / splits;
  int begin = blockIdx.z * share;
  chunks = max(0, min(share, chunks - begin));
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;

  if (threadIdx.x < DEEPEST) {
    int i = threadIdx.x;
    barrier_init(&x_full[i], 1), barrier_init(&w_full[i], 1);
    barrier_init(&x_free[i], WARPS), barrier_init(&w_free[i], WARPS);
    barriers_are_made();
  }
  __syncthreads();

  if (warp >= WARPS) {
    keep_registers<BN == 64 ? 24 : 40>();
    if (threadIdx.x > 32 * WARPS) return;
    auto fetch_pixels = [&](int chunk) {
      if (chunk >= chunks) return;
      int place = chunk % x_places, round = chunk / x_places;
      if (round > 0) barrier_wait(&x_free[place], round - 1);
      barrier_announce(&x_full[place], x_bytes);
      fetch(room + place * x_size, &x, &x_full[place], (begin + chunk) * 32, first_w * SW - PW,
            first_h * SH - PH, n);
    };
    int ahead = taps > 1 ? x_places - 1 : 0;  // chunks
    for (int chunk = 0; chunk < ahead; chunk++) fetch_pixels(chunk);
    for (int step = 0; step < chunks * taps; step++) {
      int chunk = step / taps, tap = step % taps, place = step % w_places, round = step / w_places;
      if (round > 0) barrier_wait(&w_free[place], round - 1);
      barrier_announce(&w_full[place], w_size);
      fetch(filters + place * w_size, &w, &w_full[place], (begin + chunk) * 32, tap, first_k);
      // So many taps later, all warps are done with the chunk before this one: nothing has to wait
      if (tap == min(w_places, taps - 1)) fetch_pixels(chunk + ahead);
    }
    return;
  }
  take_registers<BN == 64 ? 104 : 232>();

  // Of this lane: the row of the patch's pixels that it reads for each 64 of its warpgroup's 128
  int seen[2], group = warp / 4, first_row = warp % 4 * 16;
  float sums[2][BN / 2];
#pragma unroll
  for (int m = 0; m < 2; m++) {
    int p = min(group * 128 + m * 64 + first_row + lane % 16, patch_h * patch_w - 1);
    seen[m] = p / patch_w * SH * columns + p % patch_w * SW;
#pragma unroll
    for (int e = 0; e < BN / 2; e++) sums[m][e] = 0;
    settle(sums[m]);
  }

  int w_place = 0, w_round = 0, done = -1;  // done: the place of the filters before these
  for (int chunk = 0; chunk < chunks; chunk++) {
    int x_place = chunk % x_places;
    const unsigned char* pixels = room + x_place * x_size;
    barrier_wait(&x_full[x_place], chunk / x_places);
    for (int tap = 0; tap < taps; tap++) {
      int shift = tap / KW * DH * columns + tap % KW * DW;
      const float* filter = (const float*)(filters + w_place * w_size);
      barrier_wait(&w_full[w_place], w_round);
#pragma unroll
      for (int k = 0; k < 4; k++) {  // 8 of 32 terms: two pieces of 16 bytes in each row
        unsigned numbers[2][4];
#pragma unroll
        for (int m = 0; m < 2; m++) {
          int at = swizzled((seen[m] + shift) * ROW + lane / 16 * 16) ^ k * 32;
          load_matrices(numbers[m], pixels + at);
        }
        products_begin();
#pragma unroll
        for (int m = 0; m < 2; m++) multiply(sums[m], numbers[m], rows_of(filter + 8 * k));
        products_end();
        products_wait<LATER>();
        if (k == 0) barrier_arrive(&w_free[max(done, 0)], lane == 0 && done >= 0);
      }
      done = w_place;
      if (++w_place == w_places) w_place = 0, w_round++;
    }
    __syncwarp();
    barrier_arrive(&x_free[x_place], lane == 0);
  }
  products_wait<0>();

  y += (long long)blockIdx.z * N * OH * OW * y_pitch;
#pragma unroll
  for (int m = 0; m < 2; m++)
#pragma unroll
    for (int half = 0; half < 2; half++) {  // this lane has rows g and g + 8 of its warp's 16
      int p = group * 128 + m * 64 + first_row + half * 8 + lane / 4;
      int h = first_h + p / patch_w, v = first_w + p % patch_w;
      if (p >= patch_h * patch_w || h >= OH || v >= OW) continue;
      float* to = y + ((long long)(n * OH + h) * OW + v) * y_pitch;
#pragma unroll
      for (int j = 0; j < BN / 8; j++) {
        int k = first_k + 8 * j + lane % 4 * 2;
        if (k >= K) continue;
        float2 two = make_float2(sums[m][4 * j + 2 * half], sums[m][4 * j + 2 * half + 1]);
        if (has_bias) two.x += bias[k], two.y += bias[k + 1];
        if (relu) two = make_float2(two.x < 0 ? 0 : two.x, two.y < 0 ? 0 : two.y);
        *(float2*)(to + k) = two;
      }
    }
}
