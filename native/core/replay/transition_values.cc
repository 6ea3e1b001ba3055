#include "core/replay/transition_values.h"

#include <cmath>
#include <limits>

namespace dsrl {

std::string wrong_value(float reward, int64_t steps, int64_t terminated) {
  constexpr int64_t most = std::numeric_limits<int32_t>::max();
  if (!std::isfinite(reward)) return "rewards: " + std::to_string(reward) + " is not finite";
  if (steps < 0 || steps > most) {
    return "steps: " + std::to_string(steps) + " is outside [0, " + std::to_string(most) + "]";
  }
  if (terminated != 0 && terminated != 1) {
    return "terminated: " + std::to_string(terminated) + " is neither 0 nor 1";
  }
  return {};
}

}  // namespace dsrl
