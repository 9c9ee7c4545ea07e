// Random masks from a counter: number i is a hash of i and a key, so that every thread makes its own
// (Salmon et al. 2011, Philox 4x32-10).
#include "device.cuh"

// Four random numbers of 32 bits from a counter (four of them) and a key (two).
__device__ __forceinline__ void philox(unsigned* counter, unsigned k0, unsigned k1) {
  for (int round = 0; round < 10; round++) {
    unsigned long long a = 0xD2511F53ull * counter[0], b = 0xCD9E8D57ull * counter[2];
    unsigned c1 = counter[1], c3 = counter[3];
    counter[0] = (unsigned)(b >> 32) ^ c1 ^ k0;
    counter[1] = (unsigned)b;
    counter[2] = (unsigned)(a >> 32) ^ c3 ^ k1;
    counter[3] = (unsigned)a;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

// keep[4t ... 4t+3] = whether a random number of 32 bits is at least ``limit``. The key lies on the
// GPU, at an index of keys, so that a recorded launch draws anew when the key was changed.
extern "C" __global__ void keep_mask(const unsigned* keys, unsigned char* keep, unsigned limit,
                                     int index, int numbers) {
  int t = thread_number();
  if (4 * t >= numbers) return;
  unsigned counter[4] = {(unsigned)t, 0, 0, 0};
  philox(counter, keys[2 * index], keys[2 * index + 1]);
  for (int e = 0; e < 4 && 4 * t + e < numbers; e++) keep[4 * t + e] = counter[e] >= limit;
}

// The bare numbers, of given counters (4 each) and keys (2 each).
extern "C" __global__ void philox_numbers(unsigned* counters, const unsigned* keys, int numbers) {
  int t = thread_number();
  if (t < numbers) philox(counters + 4 * t, keys[2 * t], keys[2 * t + 1]);
}
