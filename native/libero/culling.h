#pragma once

#include "libero/mujoco_api.h"

namespace dsrl::libero {

/// Takes meshes out of a scene of which no pixel shows: MuJoCo would have all their vertices
/// transformed, and those of the whole scene a second time where a surface reflects. What is drawn
/// stays the same bit for bit.
///
/// `scene` is as mjv_updateScene made it for a fixed camera and a square picture of `size` pixels.
void drop_unseen(const mjModel& model, const mjData& data, int camera, int size, mjvScene& scene);

}  // namespace dsrl::libero
