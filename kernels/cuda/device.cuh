// What every kernel of this folder starts with. ``real``, float or double, is set by whoever
// compiles. Where the CPU plays the GPU, emulator.h stands in for all of it.
#pragma once
#ifdef EMULATED
#include "emulator.h"
#else

#ifndef INFINITY  // NVRTC brings no <math.h>
#define INFINITY __int_as_float(0x7f800000)
#endif

#define DYNAMIC_SHARED(type, name)                            \
  extern __shared__ __align__(1024) unsigned char name##_room[]; \
  type* name = (type*)name##_room

// 4, 8 or 16 bytes from global to shared memory, in the background; zeros where not ``valid``.
template <int BYTES>
__device__ __forceinline__ void copy_async(void* to, const void* from, bool valid) {
  unsigned address = (unsigned)__cvta_generic_to_shared(to);
  int filled = valid ? BYTES : 0;
  if (BYTES == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from), "r"(filled));
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(address), "l"(from), "n"(BYTES),
                 "r"(filled));
}
__device__ __forceinline__ void copy_async_commit() { asm volatile("cp.async.commit_group;"); }
// Wait until at most N of this thread's groups are on their way.
template <int N>
__device__ __forceinline__ void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

// Four 8x4 matrices of 32-bit numbers from shared memory: lanes 8m to 8m + 7 say where the rows of
// matrix m begin; lane 4r + c gets the number in row r, column c of each.
__device__ __forceinline__ void load_matrices(unsigned* numbers, const void* row) {
  unsigned address = (unsigned)__cvta_generic_to_shared(row);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(numbers[0]), "=r"(numbers[1]), "=r"(numbers[2]), "=r"(numbers[3])
               : "r"(address)
               : "memory");
}

// Round to the 10 bits of TF32's fraction, ties away from zero.
__device__ __forceinline__ unsigned to_tf32(float x) {
  unsigned bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
}
// Two floats as bfloat16, the first in the lower half, ties to even.
__device__ __forceinline__ unsigned to_bf16x2(float low, float high) {
  unsigned both;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
  return both;
}
__device__ __forceinline__ float from_bits(unsigned bits) { return __uint_as_float(bits); }
__device__ __forceinline__ unsigned to_bits(float x) { return __float_as_uint(x); }

// d (16x8) += a (16x8) b (8x8): TF32 numbers, spread over the lanes as PTX says (mma.m16n8k8).
__device__ __forceinline__ void mma_tf32(float* d, const unsigned* a, const unsigned* b) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
// d (16x8) += a (16x16) b (16x8): bfloat16 numbers, two a register (mma.m16n8k16).
__device__ __forceinline__ void mma_bf16(float* d, const unsigned* a, const unsigned* b) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif

// The number of this thread in a grid of one dimension.
__device__ __forceinline__ int thread_number() { return blockIdx.x * blockDim.x + threadIdx.x; }
