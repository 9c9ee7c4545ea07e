// What Hopper's GPUs have beyond others (sm_90a): a copy engine that fetches boxes of an array, by
// itself (TMA); barriers that it and threads arrive at; products of whole tiles in the background
// (wgmma). Names of PTX are given with each. Where the CPU plays the GPU, emulator_hopper.h stands in.
#pragma once
#include "device.cuh"
#ifdef EMULATED
#include "emulator_hopper.h"
#else

// An array of up to five axes, and the size of a box of it; opaque, made by tensor_map.py. A kernel
// takes it as ``const __grid_constant__ TensorMap``.
struct alignas(64) TensorMap { unsigned long long opaque[16]; };

// In shared memory: a barrier is passed when so many threads have arrived, and all bytes that were
// announced (mbarrier). Then it counts anew: rounds are numbered 0, 1, 2, ...
typedef unsigned long long Barrier;

__device__ __forceinline__ unsigned shared_address(const void* p) {
  return (unsigned)__cvta_generic_to_shared(p);
}

__device__ __forceinline__ void barrier_init(Barrier* barrier, int threads) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(threads));
}
// After barrier_init, before __syncthreads: the copy engine sees the barriers too.
__device__ __forceinline__ void barriers_are_made() {
  asm volatile("fence.mbarrier_init.release.cluster;\nfence.proxy.async.shared::cta;" ::: "memory");
}
// Arrive, if ``so``; without a branch, across which the compiler lets no product run.
__device__ __forceinline__ void barrier_arrive(Barrier* barrier, bool so) {
  asm volatile(
      "{\n.reg .pred so;\nsetp.ne.b32 so, %1, 0;\n"
      "@so mbarrier.arrive.shared::cta.b64 _, [%0];\n}" ::"r"(shared_address(barrier)), "r"((int)so)
      : "memory");
}
// Arrive, and announce bytes that the copy engine will bring.
__device__ __forceinline__ void barrier_announce(Barrier* barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
               "r"(bytes)
               : "memory");
}
// Wait until the round of that number has passed: this one, or the one before it.
__device__ __forceinline__ void barrier_wait(Barrier* barrier, int round) {
  asm volatile(
      "{\n.reg .pred passed;\n"
      "again:\nmbarrier.try_wait.parity.shared::cta.b64 passed, [%0], %1;\n"
      "@!passed bra again;\n}" ::"r"(shared_address(barrier)), "r"(round & 1)
      : "memory");
}

// All warps of a warpgroup (four, from a multiple of four) give registers back, or take some: from now
// on each of their threads has so many. Who takes waits until they are there. (setmaxnreg)
template <int REGISTERS>
__device__ __forceinline__ void keep_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}
template <int REGISTERS>
__device__ __forceinline__ void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}

// Fetch the box of an array that begins at the coordinates, the fastest axis first, to shared memory,
// and tell the barrier. What lies outside of the array is zero. (cp.async.bulk.tensor)
__device__ __forceinline__ void fetch(void* to, const TensorMap* map, Barrier* barrier, int x, int y) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], "
      "[%1, {%3, %4}], [%2];" ::"r"(shared_address(to)), "l"(map), "r"(shared_address(barrier)),
      "r"(x), "r"(y)
      : "memory");
}
__device__ __forceinline__ void fetch(void* to, const TensorMap* map, Barrier* barrier, int x, int y, int z) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], "
      "[%1, {%3, %4, %5}], [%2];" ::"r"(shared_address(to)), "l"(map), "r"(shared_address(barrier)),
      "r"(x), "r"(y), "r"(z)
      : "memory");
}
__device__ __forceinline__ void fetch(void* to, const TensorMap* map, Barrier* barrier, int x, int y, int z,
                                      int u) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], "
      "[%1, {%3, %4, %5, %6}], [%2];" ::"r"(shared_address(to)), "l"(map), "r"(shared_address(barrier)),
      "r"(x), "r"(y), "r"(z), "r"(u)
      : "memory");
}

// Of a tile in shared memory whose rows have 128 bytes: what wgmma takes for it (PTX: matrix
// descriptor). Pieces of 16 bytes lie where the copy engine puts them: see ``swizzled``.
__device__ __forceinline__ unsigned long long rows_of(const void* first) {
  unsigned long long address = shared_address(first);
  return (address & 0x3FFFF) >> 4 | 1ull << 16 | (1024ull >> 4) << 32 | 1ull << 62;
}

// These numbers are in their registers now. The compiler would make zeros where they are first added
// to, between products, and let all of these wait for one another.
template <int N>
__device__ __forceinline__ void settle(float (&d)[N]) {
#pragma unroll
  for (int e = 0; e < N; e++) asm volatile("" : "+f"(d[e])::"memory");
}

// Products run in groups. begin: the registers that they read and write are ready.
__device__ __forceinline__ void products_begin() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ __forceinline__ void products_end() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
// Wait until at most GROUPS of them run.
template <int GROUPS>
__device__ __forceinline__ void products_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(GROUPS) : "memory");
}

#define EIGHT(d, i) \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), \
  "+f"(d[i + 6]), "+f"(d[i + 7])
#define THIRTY_TWO(d, i) EIGHT(d, i), EIGHT(d, i + 8), EIGHT(d, i + 16), EIGHT(d, i + 24)

// d (64 x N, over 128 threads) += a (64x8, in the registers of these threads) b (N x 8)^T, N = 64 or
// 128. TF32: of b's numbers, and a's, the lower 13 bits are ignored (wgmma).
__device__ __forceinline__ void multiply(float (&d)[32], const unsigned (&a)[4], unsigned long long b) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n64k8.f32.tf32.tf32 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
      "{%32, %33, %34, %35}, %36, 1, 1, 1;"
      : THIRTY_TWO(d, 0)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}
__device__ __forceinline__ void multiply(float (&d)[64], const unsigned (&a)[4], unsigned long long b) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n128k8.f32.tf32.tf32 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
      "{%64, %65, %66, %67}, %68, 1, 1, 1;"
      : THIRTY_TWO(d, 0), THIRTY_TWO(d, 32)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}
#endif

// Where the copy engine puts a byte of a box whose rows have 128 bytes: piece c of row r, 16 bytes, at
// place c ^ (r % 8). Eight rows' pieces c then lie in different banks.
__device__ __forceinline__ int swizzled(int byte) { return byte ^ (byte >> 3 & 0x70); }
