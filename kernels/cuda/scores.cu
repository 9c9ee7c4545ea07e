// Loss, its gradient and the label map straight from coarse scores x (N, h, w, K), and the label
// map of fine ones. The K scores of a pixel of the photograph are made in registers, SOME at a
// time, and stored nowhere.
//
// A block has some pixels of one row of one image (blockIdx.x counts rows). It combines the coarse
// rows that this row sees into a line of coarse pixels, in shared memory:
//
//     line[c, k] = sum over rows h of triangle[r + PH - h*SH] * x[h, c, k]
//     score[q, k] = sum over columns c of triangle[q + PW - c*SW] * line[c, k]
//
// Where K is large the line holds ``classes`` of them at a time. Coarse pixels lie ``pitch``
// numbers apart, an odd number: neighbouring threads, at neighbouring pixels, read different banks.
//
// A pixel: x is a 1/(SH*SW) of the fine scores and comes from the second-level cache, 8K/SW bytes
// for the two coarse rows of most nets. So what counts in memory are labels and results.
#include "log_sum_exp.cuh"
#include "triangle.cuh"

// One row of pixels, stretched from the coarse rows. The names are those of the kernels' arguments.
struct Row {
  const real* x;  // of this image
  int at, h, w, K, KH, KW, SH, SW, PW, pitch;
  real *weights, *line;  // in shared memory: the triangle of the columns, and the line
  int first, columns;    // the coarse columns that are in the line

  // For pixels ``from`` to ``to``. All threads of the block take part, here and in ``make``.
  __device__ __forceinline__ Row(const real* x, real* shared, int from, int to, int H, int h,
                                 int w, int K, int KH, int KW, int SH, int SW, int PH, int PW,
                                 int classes)
      : x(x + (long long)(blockIdx.x / H) * h * w * K), at(blockIdx.x % H + PH), h(h), w(w), K(K),
        KH(KH), KW(KW), SH(SH), SW(SW), PW(PW), pitch(classes + 1), weights(shared),
        line(shared + KW) {
    first = (max(0, from + PW - KW + 1) + SW - 1) / SW;
    columns = max(0, min(w - 1, (to + PW) / SW) - first + 1);
    Triangle triangle(KW);
    for (int i = threadIdx.x; i < KW; i += blockDim.x) weights[i] = triangle(i);
  }

  // Classes k0 to k0 + classes - 1 of the line.
  __device__ __forceinline__ void make(int k0, int classes) const {
    Triangle triangle(KH);
    int last = min(h - 1, at / SH);
    for (int i = threadIdx.x; i < columns * classes; i += blockDim.x) {
      int c = i / classes, k = i % classes;
      const real* from = x + (first + c) * K + k0 + k;
      real sum = 0;
      for (int r = last; r >= 0 && at - r * SH < KH; r--)
        sum += triangle(at - r * SH) * from[r * w * K];
      line[c * pitch + k] = sum;
    }
  }

  // Calls visit(k, scores) for the scores k, k + 1, ... of pixel q, SOME at a time; beyond the
  // classes of the line they are minus infinity.
  template <class Visit>
  __device__ __forceinline__ void each_score(int q, int classes, Visit visit) const {
    int last = min(w - 1, (q + PW) / SW);
    for (int k = 0; k < classes; k += SOME) {
      real scores[SOME] = {};
      for (int c = last; c >= 0 && q + PW - c * SW < KW; c--) {
        real weight = weights[q + PW - c * SW];
        const real* from = line + (c - first) * pitch + k;
#pragma unroll
        for (int i = 0; i < SOME; i++) scores[i] += weight * from[i];
      }
#pragma unroll
      for (int i = 0; i < SOME; i++)
        if (k + i >= classes) scores[i] = -INFINITY;
      visit(k, scores);
    }
  }
};

// A thread has one pixel. It writes 8 bytes and reads its label.
extern "C" __global__ void upsample_cross_entropy(
    const real* x, const label_type* labels, const real* weight, int weighted,
    long long ignore_index, real* losses, real* log_sum_exp, int H, int W, int h, int w, int K,
    int KH, int KW, int SH, int SW, int PH, int PW, int classes) {
  DYNAMIC_SHARED(real, shared);
  int start = blockIdx.y * blockDim.x, end = min(W, start + (int)blockDim.x);
  int q = start + threadIdx.x;
  Row row(x, shared, start, end - 1, H, h, w, K, KH, KW, SH, SW, PH, PW, classes);
  long long pixel = (long long)blockIdx.x * W + q, label = q < W ? labels[pixel] : ignore_index;
  bool valid = label != ignore_index;
  real own = 0;
  LogSumExp sum;
  for (int k0 = 0; k0 < K; k0 += classes) {
    int count = min(classes, K - k0), mine = valid ? (int)label - k0 : -1;
    row.make(k0, count);
    __syncthreads();
    if (q < W)
      row.each_score(q, count, [&](int k, const real(&scores)[SOME]) {
        sum.add(scores);
#pragma unroll
        for (int i = 0; i < SOME; i++)
          if (k + i == mine) own = scores[i];
      });
    __syncthreads();
  }
  if (q >= W) return;
  real value = sum.value();
  log_sum_exp[pixel] = value;
  losses[pixel] = valid ? (value - own) * (weighted ? weight[label] : real(1)) : real(0);
}

// parts[r, c] = sum over the pixels q of row r of triangle[q + PW - c*SW] * gscores[q], where
//
//     gscores[q, k] = pixel_scale * (e^(score - log_sum_exp) - [k = label]), 0 where ignored
//
// lives in shared memory for the pixels that the block's coarse columns go to, blockIdx.y * columns
// and the next. First a thread has a pixel, then a coarse column and a class. The pixels that two
// blocks share are made twice. A pixel: 8 bytes and its label read, 4K/SW bytes written.
extern "C" __global__ void upsample_cross_entropy_grad(
    const real* x, const label_type* labels, const real* log_sum_exp, const real* pixel_scale,
    long long ignore_index, real* parts, int H, int W, int h, int w, int K, int KH, int KW, int SH,
    int SW, int PH, int PW, int columns, int room, int classes) {
  DYNAMIC_SHARED(real, shared);
  int c0 = blockIdx.y * columns, c1 = min(w, c0 + columns);
  int start = max(0, c0 * SW - PW), end = min(W, (c1 - 1) * SW - PW + KW);
  Row row(x, shared, start, end - 1, H, h, w, K, KH, KW, SH, SW, PH, PW, classes);
  real* gscores = row.line + room * row.pitch;  // the line has room for so many coarse pixels
  for (int k0 = 0; k0 < K; k0 += classes) {
    int count = min(classes, K - k0);
    row.make(k0, count);
    __syncthreads();
    for (int q = start + threadIdx.x; q < end; q += blockDim.x) {
      long long pixel = (long long)blockIdx.x * W + q, label = labels[pixel];
      bool valid = label != ignore_index;
      int mine = valid ? (int)label - k0 : -1;
      real lse = log_sum_exp[pixel], scale = pixel_scale[pixel];
      real* to = gscores + (q - start) * row.pitch;
      row.each_score(q, count, [&](int k, const real(&scores)[SOME]) {
#pragma unroll
        for (int i = 0; i < SOME; i++) {
          real share = exp(scores[i] - lse) - (k + i == mine ? 1 : 0);
          to[k + i] = valid ? share * scale : real(0);
        }
      });
    }
    __syncthreads();
    for (int i = threadIdx.x; i < (c1 - c0) * count; i += blockDim.x) {
      int c = c0 + i / count, k = i % count, from = c * SW - PW;
      real sum = 0;
      for (int t = max(0, -from); t < min(KW, W - from); t++)
        sum += row.weights[t] * gscores[(from + t - start) * row.pitch + k];
      parts[((long long)blockIdx.x * w + c) * K + k0 + k] = sum;
    }
    __syncthreads();
  }
}

// The first of the largest numbers so far; every NaN is larger than all numbers.
struct Best {
  real score = -INFINITY;
  int k = 0;

  // ``other`` may come in any order.
  __device__ __forceinline__ void offer(real other, int its) {
    bool more = other > score || (other != other && score == score);
    bool same = other == score || (other != other && score != score);
    if (more || (same && its < k)) score = other, k = its;
  }
};

// Labels of pixels whose scores are there, (pixels, K). ``lanes`` neighbouring threads have a
// pixel, each SOME of its classes at a time. A pixel: 4K bytes read, 8 written.
extern "C" __global__ void argmax_classes(const real* scores, long long* labels, int K, int lanes,
                                          int threads) {
  int t = thread_number(), pixel = t / lanes, lane = t % lanes;
  bool inside = t < threads;
  Best best;
  for (int k = inside ? lane : K; k < K; k += SOME * lanes) {
    real some[SOME];
#pragma unroll
    for (int i = 0; i < SOME; i++)
      some[i] = k + i * lanes < K ? scores[(long long)pixel * K + k + i * lanes] : -INFINITY;
#pragma unroll
    for (int i = 0; i < SOME; i++) best.offer(some[i], k + i * lanes);
  }
  for (int step = lanes / 2; step > 0; step /= 2) {
    real score = __shfl_xor_sync(~0u, best.score, step);
    best.offer(score, __shfl_xor_sync(~0u, best.k, step));
  }
  if (inside && lane == 0) labels[pixel] = best.k;
}

// A thread has one pixel, and writes 8 bytes.
extern "C" __global__ void argmax_upsampled(const real* x, long long* labels, int H, int W, int h,
                                            int w, int K, int KH, int KW, int SH, int SW, int PH,
                                            int PW, int classes) {
  DYNAMIC_SHARED(real, shared);
  int start = blockIdx.y * blockDim.x, end = min(W, start + (int)blockDim.x);
  int q = start + threadIdx.x;
  Row row(x, shared, start, end - 1, H, h, w, K, KH, KW, SH, SW, PH, PW, classes);
  Best best;
  for (int k0 = 0; k0 < K; k0 += classes) {
    int count = min(classes, K - k0);
    row.make(k0, count);
    __syncthreads();
    if (q < W)
      row.each_score(q, count, [&](int k, const real(&scores)[SOME]) {
#pragma unroll
        for (int i = 0; i < SOME; i++) best.offer(scores[i], k0 + k + i);
      });
    __syncthreads();
  }
  if (q < W) labels[(long long)blockIdx.x * W + q] = best.k;
}
