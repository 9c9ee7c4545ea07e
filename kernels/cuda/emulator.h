// CUDA on the CPU: the kernels of this folder, run one thread after another.
//
// Every CUDA thread is a fiber: a stack of its own that can be left in the middle and entered
// again. A fiber runs until it meets a barrier; when all fibers that have to come have come, they
// go on. So a kernel does here exactly what it says, in an order that can be stepped through with a
// debugger or a printf, and a barrier that not all threads reach is found and named.
//
// What is not modelled: that threads run at once (a race is not seen), how fast anything is, and
// what only one kind of GPU has. Copies that are started early (copy_async) are made as late as
// they may be: a kernel that forgets to wait for them reads what was there before.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>
#ifndef __x86_64__
#include <ucontext.h>
#endif
#ifdef SANITIZED
#include <sanitizer/asan_interface.h>
#endif

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __restrict__
#define __shared__ static
#define __constant__ static

struct uint3 { unsigned x, y, z; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(16) double2 { double x, y; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
using std::exp;
using std::log;
using std::pow;
using std::sqrt;
using std::fma;
using std::fmax;
using std::fmin;

static uint3 threadIdx, blockIdx, blockDim, gridDim;
static const int warpSize = 32;

namespace emulator {

enum State { READY, AT_WARP_BARRIER, AT_BLOCK_BARRIER, AT_SHARED_BARRIER, DONE };
const int STACK = 1 << 16;  // bytes

struct Copy { void* to; const void* from; int bytes, filled; };

// One of Hopper's, in shared memory (emulator_hopper.h): how many threads it waits for in a round, how
// many of them and bytes are missing in this one, and its number's remainder by two.
struct Barrier { int threads, missing, bytes, round; };

struct Fiber {
  void* sp = nullptr;
  char* stack = nullptr;
  void* watched = nullptr;  // what the address sanitizer keeps of it while another one runs
  State state = READY;
  bool started = false;
  const Barrier* barrier = nullptr;  // that it waits at, for a round to pass
  int round = 0;
  bool passed() const { return barrier->round != round; }
  std::vector<std::vector<Copy>> copies;  // groups that were not waited for; the last is open
};

static std::vector<Fiber> fibers;
static std::vector<char*> stacks;  // free ones
static int current;
static void* scheduler;
static void (*body)(void*);
static void* body_arguments;
static unsigned char* dynamic_room = nullptr;
static float exchanged[32][32][16];  // what the lanes of a warp show one another
static char message[256];

// Leave one fiber and enter another: registers that a function must keep go onto the stack.
#ifdef __x86_64__
__attribute__((naked, noinline)) static void switch_stacks(void** /*from*/, void* /*to*/) {
  asm volatile(
      "pushq %rbp\n pushq %rbx\n pushq %r12\n pushq %r13\n pushq %r14\n pushq %r15\n"
      "movq %rsp, (%rdi)\n movq %rsi, %rsp\n"
      "popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbx\n popq %rbp\n ret\n");
}
static void switch_to_scheduler() { switch_stacks(&fibers[current].sp, scheduler); }
static void switch_to(Fiber& fiber) { switch_stacks(&scheduler, fiber.sp); }
static void prepare(Fiber& fiber, void (*start)()) {
  void** top = (void**)(fiber.stack + STACK);
  *--top = nullptr;
  *--top = (void*)start;
  for (int i = 0; i < 6; i++) *--top = nullptr;
  fiber.sp = top;
}
static void forget(Fiber&) {}
#else
static ucontext_t main_context;
static void switch_to_scheduler() { swapcontext((ucontext_t*)fibers[current].sp, &main_context); }
static void switch_to(Fiber& fiber) { swapcontext(&main_context, (ucontext_t*)fiber.sp); }
static void prepare(Fiber& fiber, void (*start)()) {
  ucontext_t* context = new ucontext_t;
  getcontext(context);
  context->uc_stack.ss_sp = fiber.stack;
  context->uc_stack.ss_size = STACK;
  context->uc_link = nullptr;
  makecontext(context, start, 0);
  fiber.sp = context;
}
static void forget(Fiber& fiber) { delete (ucontext_t*)fiber.sp; }
#endif

// The address sanitizer has to be told whose stack is in use, before and after each switch.
#ifdef SANITIZED
static const void* scheduler_stack;
static size_t scheduler_bytes;
static void* scheduler_watched;
static void leaving_fiber(bool for_good) {
  __sanitizer_start_switch_fiber(for_good ? nullptr : &fibers[current].watched, scheduler_stack,
                                 scheduler_bytes);
}
static void in_fiber() {
  __sanitizer_finish_switch_fiber(fibers[current].watched, &scheduler_stack, &scheduler_bytes);
}
static void leaving_scheduler(Fiber& fiber) {
  __sanitizer_start_switch_fiber(&scheduler_watched, fiber.stack, STACK);
}
static void in_scheduler() {
  __sanitizer_finish_switch_fiber(scheduler_watched, nullptr, nullptr);
}
static void forget_frames(char* stack) { __asan_unpoison_memory_region(stack, STACK); }
#else
static void leaving_fiber(bool) {}
static void in_fiber() {}
static void leaving_scheduler(Fiber&) {}
static void in_scheduler() {}
static void forget_frames(char*) {}
#endif

static void to_scheduler(bool for_good = false) {
  leaving_fiber(for_good);
  switch_to_scheduler();
  in_fiber();
}
static void enter(Fiber& fiber) {
  leaving_scheduler(fiber);
  switch_to(fiber);
  in_scheduler();
}
static void whole_thread() {
  in_fiber();
  body(body_arguments);
  fibers[current].state = DONE;
  to_scheduler(true);
}

static void wait(State at) {
  fibers[current].state = at;
  to_scheduler();
}

static bool fail(const char* what, int thread) {
  snprintf(message, sizeof message, "%s: not all threads reach it (block %u,%u,%u, thread %d)",
           what, blockIdx.x, blockIdx.y, blockIdx.z, thread);
  return false;
}

// Threads are numbered as in CUDA: x fastest.
static void set_thread(int i) {
  threadIdx.x = i % blockDim.x;
  threadIdx.y = i / blockDim.x % blockDim.y;
  threadIdx.z = i / (blockDim.x * blockDim.y);
}

// What goes on without the threads: Hopper's copy engine. Whether something did.
static bool (*in_background)() = nullptr;

// Let threads go on whose barrier is passed; whether there are any.
static bool release(int n) {
  bool released = false;
  for (int w = 0; w < n; w += 32) {
    int end = w + 32 < n ? w + 32 : n, waiting = 0;
    for (int i = w; i < end; i++) {
      Fiber& fiber = fibers[i];
      waiting += fiber.state == AT_WARP_BARRIER;
      if (fiber.state == AT_SHARED_BARRIER && fiber.passed()) fiber.state = READY, released = true;
    }
    if (waiting < end - w) continue;
    for (int i = w; i < end; i++) fibers[i].state = READY;
    released = true;
  }
  return released || (in_background && in_background());
}

static bool run_block(int n) {
  int done = 0;
  for (;;) {
    for (int i = 0; i < n; i++) {
      Fiber& fiber = fibers[i];
      if (fiber.state != READY) continue;
      if (!fiber.started) {
        if (stacks.empty()) stacks.push_back((char*)aligned_alloc(64, STACK));
        fiber.stack = stacks.back();
        stacks.pop_back();
        forget_frames(fiber.stack);
        prepare(fiber, whole_thread);
        fiber.started = true;
      }
      current = i;
      set_thread(i);
      enter(fiber);
      if (fiber.state == DONE) {
        stacks.push_back(fiber.stack);
        forget(fiber);
        done++;
      }
    }
    if (done == n) return true;
    if (release(n)) continue;
    int at_block = 0, at_shared = 0, partial = -1;
    for (int i = n - 1; i >= 0; i--) {
      at_block += fibers[i].state == AT_BLOCK_BARRIER;
      at_shared += fibers[i].state == AT_SHARED_BARRIER;
      if (fibers[i].state == AT_WARP_BARRIER) partial = i / 32 * 32;
    }
    if (at_block < n) {
      if (partial >= 0) return fail("a warp's barrier", partial);
      return fail(at_shared ? "a barrier in shared memory" : "__syncthreads", 0);
    }
    for (int i = 0; i < n; i++) fibers[i].state = READY;
  }
}

template <class... A, size_t... I>
static void call(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
  kernel(*(typename std::remove_reference<A>::type*)arguments[I]...);
}

// Run all blocks of a kernel. arguments: where each of its arguments lies. Returns nullptr, or what
// went wrong.
template <class... A>
static const char* launch(void (*kernel)(A...), const unsigned* grid, const unsigned* block,
                          int shared, void** arguments) {
  struct Call { void (*kernel)(A...); void** arguments; } one = {kernel, arguments};
  body = [](void* it) {
    Call* one = (Call*)it;
    call(one->kernel, one->arguments, std::index_sequence_for<A...>());
  };
  body_arguments = &one;
  gridDim = {grid[0], grid[1], grid[2]};
  blockDim = {block[0], block[1], block[2]};
  int n = block[0] * block[1] * block[2];
  posix_memalign((void**)&dynamic_room, 1024, shared);  // no byte more, for the sanitizer to see
  bool good = true;
  for (unsigned z = 0; z < grid[2] && good; z++)
    for (unsigned y = 0; y < grid[1] && good; y++)
      for (unsigned x = 0; x < grid[0] && good; x++) {
        blockIdx = {x, y, z};
        memset(dynamic_room, 0xff, shared);  // NaN, before the block writes there
        fibers.assign(n, Fiber());
        good = run_block(n);
        bool late = false;
        while (in_background && in_background()) late = true;
        if (good && late) {
          snprintf(message, sizeof message, "block %u,%u,%u ends before a copy that it started", x, y, z);
          good = false;
        }
        if (!good)
          for (Fiber& fiber : fibers)
            if (fiber.started && fiber.state != DONE) stacks.push_back(fiber.stack);
      }
  free(dynamic_room);
  return good ? nullptr : message;
}

// Every lane shows some numbers and then sees those of all lanes.
template <class T>
static T (*show(const T* mine, int count))[16] {
  static_assert(sizeof(T) == 4, "lanes exchange 32 bits");
  int warp = current / 32, lane = current % 32;
  memcpy(exchanged[warp][lane], mine, count * 4);
  wait(AT_WARP_BARRIER);
  return (T(*)[16])exchanged[warp];
}

}  // namespace emulator

inline void __syncthreads() { emulator::wait(emulator::AT_BLOCK_BARRIER); }
inline void __syncwarp(unsigned = ~0u) { emulator::wait(emulator::AT_WARP_BARRIER); }
template <class T> inline T __ldg(const T* p) { return *p; }
template <class T> inline T atomicAdd(T* p, T number) {
  T before = *p;
  *p += number;
  return before;
}

template <class T>
inline T from_lane(T value, int lane) {
  union { T value; uint32_t words[sizeof(T) / 4]; } mine = {value}, other;
  for (unsigned i = 0; i < sizeof(T) / 4; i++) {
    other.words[i] = emulator::show(&mine.words[i], 1)[lane & 31][0];
    __syncwarp();
  }
  return other.value;
}
template <class T> inline T __shfl_sync(unsigned, T value, int lane) { return from_lane(value, lane); }
template <class T> inline T __shfl_xor_sync(unsigned, T value, int mask) {
  return from_lane(value, (emulator::current % 32) ^ mask);
}
template <class T> inline T __shfl_down_sync(unsigned, T value, int delta) {
  int lane = emulator::current % 32;
  return from_lane(value, lane + delta < 32 ? lane + delta : lane);
}

// Shared memory whose size the launch gives.
#define DYNAMIC_SHARED(type, name) type* name = (type*)emulator::dynamic_room

// 4, 8 or 16 bytes from global to shared memory, in the background; zeros where not ``valid``.
template <int BYTES>
inline void copy_async(void* to, const void* from, bool valid) {
  auto& groups = emulator::fibers[emulator::current].copies;
  if (groups.empty()) groups.emplace_back();
  groups.back().push_back({to, from, BYTES, valid ? BYTES : 0});
}
inline void copy_async_commit() {
  auto& groups = emulator::fibers[emulator::current].copies;
  if (groups.empty()) groups.emplace_back();
  groups.emplace_back();
}
// Wait until at most N of this thread's groups are on their way.
template <int N> inline void copy_async_wait() {
  auto& groups = emulator::fibers[emulator::current].copies;
  while ((int)groups.size() > N + 1) {
    for (const emulator::Copy& copy : groups.front()) {
      memset(copy.to, 0, copy.bytes);
      memcpy(copy.to, copy.from, copy.filled);
    }
    groups.erase(groups.begin());
  }
}

// Four 8x4 matrices of 32-bit numbers from shared memory: lanes 8m to 8m + 7 say where the rows of
// matrix m begin; lane 4r + c gets the number in row r, column c of each.
inline void load_matrices(unsigned* numbers, const void* row) {
  uint64_t address = (uint64_t)row;
  unsigned words[2] = {(unsigned)address, (unsigned)(address >> 32)};
  auto all = emulator::show(words, 2);
  int lane = emulator::current % 32;
  for (int m = 0; m < 4; m++) {
    const unsigned* from = all[8 * m + lane / 4];
    numbers[m] = ((const unsigned*)((uint64_t)from[1] << 32 | from[0]))[lane % 4];
  }
  __syncwarp();
}

// Round to the 10 bits of TF32's fraction, ties away from zero, as cvt.rna does.
inline unsigned to_tf32(float x) {
  unsigned bits;
  memcpy(&bits, &x, 4);
  if ((bits & 0x7f800000u) == 0x7f800000u) return bits;
  return (bits + 0x1000u) & 0xffffe000u;
}
// Two floats as bfloat16, the first in the lower half, ties to even, as cvt.rn does.
inline unsigned to_bf16x2(float low, float high) {
  unsigned both = 0;
  for (int i = 0; i < 2; i++) {
    unsigned bits;
    memcpy(&bits, i ? &high : &low, 4);
    if ((bits & 0x7fffffffu) > 0x7f800000u) bits = 0x7fffffffu;
    else bits += 0x7fffu + (bits >> 16 & 1);
    both |= (bits >> 16) << (16 * i);
  }
  return both;
}
inline float from_bits(unsigned bits) { float x; memcpy(&x, &bits, 4); return x; }
inline unsigned to_bits(float x) { unsigned bits; memcpy(&bits, &x, 4); return bits; }

// d (16x8) += a (16x8) b (8x8): TF32 numbers, spread over the lanes as PTX says (mma.m16n8k8).
inline void mma_tf32(float* d, const unsigned* a, const unsigned* b) {
  unsigned mine[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
  auto all = emulator::show(mine, 6);
  int lane = emulator::current % 32;
  for (int i = 0; i < 4; i++) {
    int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
    for (int k = 0; k < 8; k++)
      d[i] += from_bits(all[row % 8 * 4 + k % 4][row / 8 + k / 4 * 2]) *
              from_bits(all[column * 4 + k % 4][4 + k / 4]);
  }
  __syncwarp();
}
// d (16x8) += a (16x16) b (16x8): bfloat16 numbers, two a register (mma.m16n8k16).
inline void mma_bf16(float* d, const unsigned* a, const unsigned* b) {
  unsigned mine[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
  auto all = emulator::show(mine, 6);
  int lane = emulator::current % 32;
  for (int i = 0; i < 4; i++) {
    int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
    for (int k = 0; k < 16; k++) {
      unsigned x = all[row % 8 * 4 + k % 8 / 2][row / 8 + k / 8 * 2];
      unsigned y = all[column * 4 + k % 8 / 2][4 + k / 8];
      d[i] += from_bits(k % 2 ? x & 0xffff0000u : x << 16) *
              from_bits(k % 2 ? y & 0xffff0000u : y << 16);
    }
  }
  __syncwarp();
}
