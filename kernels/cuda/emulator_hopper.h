// What hopper.cuh declares, for the CPU that plays a GPU.
//
// The copy engine works when all threads wait, as late as it may: one box at a time, the newest
// first. So a kernel that forgets to wait for a box reads what was there before, and one that fetches
// into a place that is still in use spoils it. Products are made at once.
#pragma once
#include <cmath>

// As tensor_map.py fills it, for here.
struct alignas(64) TensorMap {
  const float* first;
  unsigned long long sizes[5], strides[4];  // bytes; numbers of the first axis lie side by side
  unsigned box[5], axes;
};
using emulator::Barrier;

namespace emulator {

struct Box { char* to; const TensorMap* map; Barrier* barrier; int at[5]; };
static std::vector<Box> boxes;

static void look_at(Barrier* barrier) {
  if (barrier->missing || barrier->bytes) return;
  barrier->missing = barrier->threads;
  barrier->round ^= 1;
}

// The numbers of the box in order, rows of 128 bytes swizzled: bits 4 to 6 of an address are changed
// by bits 7 to 9. Rounded to TF32.
static int copy(const Box& it) {
  int numbers = 1;
  for (unsigned a = 0; a < it.map->axes; a++) numbers *= it.map->box[a];
  for (int i = 0; i < numbers; i++) {
    const char* from = (const char*)it.map->first;
    bool inside = true;
    for (unsigned a = 0, rest = i; a < it.map->axes; rest /= it.map->box[a++]) {
      long long at = it.at[a] + (int)(rest % it.map->box[a]);
      inside = inside && at >= 0 && at < (long long)it.map->sizes[a];
      from += at * (a == 0 ? 4 : (long long)it.map->strides[a - 1]);
    }
    uint64_t to = (uint64_t)it.to + 4 * i;
    *(unsigned*)(to ^ (to >> 7 & 7) << 4) = inside ? to_tf32(*(const float*)from) : 0;
  }
  return 4 * numbers;
}
static bool fetch_one() {
  if (boxes.empty()) return false;
  Box newest = boxes.back();
  boxes.pop_back();
  newest.barrier->bytes -= copy(newest);
  look_at(newest.barrier);
  return true;
}
static void begin(void* to, const TensorMap* map, Barrier* barrier, int x, int y, int z, int u) {
  boxes.push_back({(char*)to, map, barrier, {x, y, z, u, 0}});
  in_background = fetch_one;
}

}  // namespace emulator

inline void barrier_init(Barrier* barrier, int threads) { *barrier = {threads, threads, 0, 0}; }
inline void barriers_are_made() {}
inline void barrier_arrive(Barrier* barrier, bool so) {
  if (!so) return;
  barrier->missing--;
  emulator::look_at(barrier);
}
inline void barrier_announce(Barrier* barrier, int bytes) {
  barrier->bytes += bytes;
  barrier_arrive(barrier, true);
}
inline void barrier_wait(Barrier* barrier, int round) {
  emulator::Fiber& fiber = emulator::fibers[emulator::current];
  fiber.barrier = barrier, fiber.round = round & 1;
  if (!fiber.passed()) emulator::wait(emulator::AT_SHARED_BARRIER);
}

template <int REGISTERS> inline void keep_registers() {}
template <int REGISTERS> inline void take_registers() {}

inline void fetch(void* to, const TensorMap* map, Barrier* barrier, int x, int y) {
  emulator::begin(to, map, barrier, x, y, 0, 0);
}
inline void fetch(void* to, const TensorMap* map, Barrier* barrier, int x, int y, int z) {
  emulator::begin(to, map, barrier, x, y, z, 0);
}
inline void fetch(void* to, const TensorMap* map, Barrier* barrier, int x, int y, int z, int u) {
  emulator::begin(to, map, barrier, x, y, z, u);
}

template <int N> inline void settle(float (&)[N]) {}
inline const char* rows_of(const void* first) { return (const char*)first; }
inline void products_begin() {}
inline void products_end() {}
template <int GROUPS> inline void products_wait() {}

// Warp w of four has rows 16w to 16w + 15 of a and d. Lane 4g + q holds rows g and g + 8 of a, terms q
// and q + 4, and of d columns 2q and 2q + 1 of every eight. b lies swizzled.
template <int COUNT>
inline void multiply(float (&d)[COUNT], const unsigned (&a)[4], const char* b) {
  auto all = emulator::show(a, 4);
  int lane = emulator::current % 32;
  for (int e = 0; e < COUNT; e++) {
    int row = lane / 4, column = e / 4 * 8 + lane % 4 * 2 + e % 2;
    for (int k = 0; k < 8; k++) {
      uint64_t address = (uint64_t)b + column * 128 + k * 4;
      unsigned number = *(const unsigned*)(address ^ (address >> 7 & 7) << 4);
      unsigned mine = all[row * 4 + k % 4][e % 4 / 2 + k / 4 * 2];
      d[e] += from_bits(mine & 0xffffe000u) * from_bits(number & 0xffffe000u);
    }
  }
  __syncwarp();
}
