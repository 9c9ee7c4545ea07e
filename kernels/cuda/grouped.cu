// Convolution with many small groups, channels last: one thread a number, no tiles. A depthwise
// convolution has a channel a group; there is no product to speak of, and memory decides.
//
// C and K are the channels of a group, read and made; maps have groups times as many.
#include "window.cuh"

// y[n,oh,ow,k] = bias[k] + sum over i, j, c of w[k,i,j,c] x[n, oh*SH-PH+i*DH, ow*SW-PW+j*DW, c]
extern "C" __global__ void conv2d(const real* x, const real* w, const real* bias, real* y, int H,
                                  int W, int x_pitch, int OH, int OW, int y_pitch, int C, int K,
                                  int KH, int KW, int SH, int SW, int PH, int PW, int DH, int DW,
                                  int groups, int has_bias, int relu, int numbers) {
  int t = thread_number();
  if (t >= numbers) return;
  int k = t % (groups * K), p = t / (groups * K), ow = p % OW, oh = p / OW % OH, n = p / OW / OH;
  const real* filter = w + (long long)k * KH * KW * C;
  real sum = 0;
  pixels_under(oh, ow, H, W, KH, KW, SH, SW, PH, PW, DH, DW, [&](int h, int v, int tap) {
    const real* pixel = x + ((long long)n * H * W + h * W + v) * x_pitch + k / K * C;
    for (int c = 0; c < C; c++) sum = fma(filter[tap * C + c], pixel[c], sum);
  });
  if (has_bias) sum += bias[k];
  if (relu) sum = sum < 0 ? 0 : sum;
  y[(long long)p * y_pitch + k] = sum;
}

// gx[n,h,v,c] = sum over the taps i, j whose output exists and the k of c's group
extern "C" __global__ void conv2d_grad_input(const real* gy, const real* w, real* gx, int OH, int OW,
                                             int H, int W, int K, int C, int KH, int KW, int SH,
                                             int SW, int PH, int PW, int DH, int DW, int groups,
                                             int numbers) {
  int t = thread_number();
  if (t >= numbers) return;
  int c = t % (groups * C), p = t / (groups * C), v = p % W, h = p / W % H, n = p / W / H;
  int first = c / C * K;
  real sum = 0;
  windows_around(h, v, OH, OW, KH, KW, SH, SW, PH, PW, DH, DW, [&](int oh, int ow, int tap) {
    const real* pixel = gy + ((long long)n * OH * OW + oh * OW + ow) * groups * K;
    for (int k = first; k < first + K; k++)
      sum = fma(w[((long long)k * KH * KW + tap) * C + c % C], pixel[k], sum);
  });
  gx[t] = sum;
}

// parts[split][k,i,j,c] = sum over the pixels of a split; add_parts (sum.cu) adds them in order.
// Neighbouring threads have neighbouring k, so that they read neighbours of gy.
extern "C" __global__ void conv2d_grad_weight(const real* gy, const real* x, real* parts, int N,
                                              int OH, int OW, int H, int W, int K, int C, int KH,
                                              int KW, int SH, int SW, int PH, int PW, int DH, int DW,
                                              int groups, int splits) {
  int channels = groups * K, filter = KH * KW * C, t = thread_number(), split = blockIdx.y;
  if (t >= channels * filter) return;
  int k = t % channels, rest = t / channels, c = rest % C, j = rest / C % KW, i = rest / C / KW;
  int pixels = N * OH * OW, share = (pixels + splits - 1) / splits;
  int end = min((split + 1) * share, pixels);
  real sum = 0;
  for (int p = split * share; p < end; p++) {
    int h = p / OW % OH * SH - PH + i * DH, v = p % OW * SW - PW + j * DW;
    if (h < 0 || h >= H || v < 0 || v >= W) continue;
    long long pixel = (long long)(p / OW / OH) * H * W + h * W + v;
    sum = fma(gy[(long long)p * channels + k], x[pixel * groups * C + k / K * C + c], sum);
  }
  parts[((long long)split * channels + k) * filter + (i * KW + j) * C + c] = sum;
}
