#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace dsrl {

/// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// A named stream of random numbers that depends on nothing but (seed, name, step, env).
///
/// Key = the seed, low half first; counter = [block, env, step, CRC32C of the name]. What is drawn
/// therefore depends neither on call order, nor on thread count, nor on how a batch is split.
/// (design.md, "Randomness".)
class RandomStream {
 public:
  RandomStream(uint64_t seed, std::string_view name);

  /// Fills `out` with the words of blocks 0, 1, ... in order.
  void words(uint32_t step, uint32_t env, std::span<uint32_t> out) const;
  /// Uniform in [0, 1): (w >> 8) 2^-24.
  void uniform(uint32_t step, uint32_t env, std::span<float> out) const;
  /// Standard normal by Box-Muller in float64, rounded to float32: words (0, 1) and (2, 3) of a
  /// block give r cos t, r sin t with r = sqrt(-2 ln(((w0 >> 8) + 1) 2^-24)), t = 2 pi (w1 >> 8)
  /// 2^-24.
  void normal(uint32_t step, uint32_t env, std::span<float> out) const;

  std::array<uint32_t, 2> key() const { return key_; }
  uint32_t name_hash() const { return name_hash_; }

 private:
  std::array<uint32_t, 2> key_;
  uint32_t name_hash_;
};

}  // namespace dsrl
