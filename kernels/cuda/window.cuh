// Which pixels a window sees, and which windows see a pixel: output o sees, along an axis, the
// pixels o*S - P + i*D for taps i = 0 ... K-1, as far as they exist.
#pragma once
#include "device.cuh"

// Calls visit(h, w, tap) for every pixel that window (oh, ow) sees, in the order of its taps.
template <class Visit>
__device__ __forceinline__ void pixels_under(int oh, int ow, int H, int W, int KH, int KW, int SH,
                                             int SW, int PH, int PW, int DH, int DW, Visit visit) {
  for (int i = 0; i < KH; i++) {
    int h = oh * SH - PH + i * DH;
    if (h < 0 || h >= H) continue;
    for (int j = 0; j < KW; j++) {
      int w = ow * SW - PW + j * DW;
      if (w < 0 || w >= W) continue;
      visit(h, w, i * KW + j);
    }
  }
}

// Calls visit(oh, ow, tap) for every window that sees pixel (h, w), in the order of its taps.
template <class Visit>
__device__ __forceinline__ void windows_around(int h, int w, int OH, int OW, int KH, int KW,
                                               int SH, int SW, int PH, int PW, int DH, int DW,
                                               Visit visit) {
  for (int i = 0; i < KH; i++) {
    int oh = h + PH - i * DH;
    if (oh < 0 || oh % SH || oh / SH >= OH) continue;
    for (int j = 0; j < KW; j++) {
      int ow = w + PW - j * DW;
      if (ow < 0 || ow % SW || ow / SW >= OW) continue;
      visit(oh / SH, ow / SW, i * KW + j);
    }
  }
}
