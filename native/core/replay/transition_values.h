#pragma once

#include <cstdint>
#include <string>

namespace dsrl {

/// What is wrong with the numbers that enter a transition's Bellman target, or "": the reward must
/// be finite, steps lie in [0, 2^31) and terminated be 0 or 1. Any other is taken by the arithmetic
/// all the same (gamma^-5, 255 times the value of s') and shows only as a critic that diverges.
std::string wrong_value(float reward, int64_t steps, int64_t terminated);

}  // namespace dsrl
