// Windows as rows of a matrix, channels last, and the way back: one thread for each number that is
// written. Neighbouring threads write neighbouring numbers, and mostly read neighbouring ones too.
#include "device.cuh"

// cols[(n, oh, ow), (i, j, c)] = x[n, oh*SH - PH + i*DH, ow*SW - PW + j*DW, c], 0 outside the image.
//
// A row holds all that one window sees: KH*KW*C numbers, then zeros up to ``width``. So number t
// of cols lies in row t / width; what is left, t % width, is the column. A column counts channels
// fastest, then taps j to the right, then taps i downwards; a row counts ow, then oh, then n.
extern "C" __global__ void im2col(const real* x, real* cols, int width, int H, int W, int OH,
                                  int OW, int C, int KH, int KW, int SH, int SW, int PH, int PW,
                                  int DH, int DW, int numbers) {
  int t = thread_number();
  if (t >= numbers) return;
  int row = t / width, column = t % width;
  int ow = row % OW, oh = row / OW % OH, n = row / OW / OH;
  int c = column % C, j = column / C % KW, i = column / C / KW;
  int h = oh * SH - PH + i * DH, w = ow * SW - PW + j * DW;
  bool inside = i < KH && h >= 0 && h < H && w >= 0 && w < W;
  cols[t] = inside ? x[((n * H + h) * W + w) * C + c] : 0;
}

// x[n, h, w, c] = the sum of cols[(n, oh, ow), (i, j, c)] over all windows and taps with
// oh*SH - PH + i*DH = h and ow*SW - PW + j*DW = w.
//
// A pixel looks for the windows that saw it, instead of a window adding to the pixels it saw: so
// each sum belongs to one thread, needs no atomics, and always runs in the same order. For each tap
// there is at most one window: oh*SH = h + PH - i*DH has to be a multiple of SH, and oh one of OH.
extern "C" __global__ void col2im(const real* cols, real* x, int width, int H, int W, int OH,
                                  int OW, int C, int KH, int KW, int SH, int SW, int PH, int PW,
                                  int DH, int DW, int numbers) {
  int t = thread_number();
  if (t >= numbers) return;
  int c = t % C, w = t / C % W, h = t / C / W % H, n = t / C / W / H;
  real sum = 0;
  for (int i = 0; i < KH; i++) {
    int oh = h + PH - i * DH;
    if (oh < 0 || oh % SH || oh / SH >= OH) continue;
    for (int j = 0; j < KW; j++) {
      int ow = w + PW - j * DW;
      if (ow < 0 || ow % SW || ow / SW >= OW) continue;
      sum += cols[((n * OH + oh / SH) * OW + ow / SW) * width + (i * KW + j) * C + c];
    }
  }
  x[t] = sum;
}
