#pragma once

#include <cmath>
#include <cstdint>

#include "cuda/host_device.h"
#include "cuda/plugin.h"

namespace dsrl::cuda {

// The random streams of core/random/philox.h, as one thread of a GPU draws a part of them: a block
// of Philox 4x32-10, which is four words of a row. Integers are exact on every device; normals are
// the host's up to the rounding of log, sin and cos.

struct Block {
  uint32_t words[4];
};

/// Block `block` of environment `env`. (Salmon et al., "Parallel random numbers: as easy as 1, 2,
/// 3", SC 2011.)
DSRL_HOST_DEVICE inline Block philox_block(const DsrlCudaDraw& draw, uint32_t block, uint32_t env) {
  uint32_t c0 = block, c1 = env, c2 = draw.step, c3 = draw.name;
  uint32_t k0 = draw.key[0], k1 = draw.key[1];
  for (int round = 0; round < 10; ++round) {
    const uint64_t low = uint64_t{0xD2511F53} * c0;
    const uint64_t high = uint64_t{0xCD9E8D57} * c2;
    c0 = static_cast<uint32_t>(high >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(high);
    c2 = static_cast<uint32_t>(low >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(low);
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return {{c0, c1, c2, c3}};
}

/// Blocks that `columns` values of a row take.
DSRL_HOST_DEVICE inline int64_t blocks_of(int64_t columns) {
  return (columns + 3) / 4;
}

/// Thread `thread` of rows * blocks_of(columns): at most four normals, by Box-Muller in float64.
DSRL_HOST_DEVICE inline void draw_normals(const DsrlCudaDraw& draw, int64_t thread, int64_t columns,
                                          float* out) {
  constexpr double kTwoToMinus24 = 1.0 / 16777216.0;
  constexpr double kTwoPi = 6.283185307179586476925286766559;
  const int64_t row = thread / blocks_of(columns);
  const int64_t block = thread % blocks_of(columns);
  const Block drawn =
      philox_block(draw, static_cast<uint32_t>(block), draw.first_env + static_cast<uint32_t>(row));
  float* const to = out + row * columns + 4 * block;
  const int64_t left = columns - 4 * block;
  for (int64_t i = 0; i < 4 && i < left; i += 2) {
    const double radius = std::sqrt(-2.0 * std::log(((drawn.words[i] >> 8) + 1) * kTwoToMinus24));
    const double angle = kTwoPi * ((drawn.words[i + 1] >> 8) * kTwoToMinus24);
    to[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < left) to[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
}

/// Thread `thread` of blocks_of(count): at most four integers, (word * bound) >> 32.
DSRL_HOST_DEVICE inline void draw_below(const DsrlCudaDraw& draw, int64_t thread, int64_t count,
                                        int64_t bound, int64_t* out) {
  const Block drawn = philox_block(draw, static_cast<uint32_t>(thread), draw.first_env);
  for (int64_t i = 0; i < 4 && 4 * thread + i < count; ++i) {
    const uint64_t product = uint64_t{drawn.words[i]} * static_cast<uint64_t>(bound);
    out[4 * thread + i] = static_cast<int64_t>(product >> 32);
  }
}

}  // namespace dsrl::cuda
