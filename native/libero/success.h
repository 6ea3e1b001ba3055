#pragma once

#include <cmath>

#include "libero/small_matrix.h"

namespace dsrl::libero {

/// Whether the target is on the goal (LIBERO, object_states/base_object_states.py, check_ontop):
/// its root body not lower, in contact, and within 3 cm in the plane.
inline bool is_on(const Vector<3>& target, const Vector<3>& goal, bool in_contact) {
  const double dx = target[0] - goal[0], dy = target[1] - goal[1];
  return goal[2] <= target[2] && in_contact && std::sqrt(dx * dx + dy * dy) < .03;
}

}  // namespace dsrl::libero
