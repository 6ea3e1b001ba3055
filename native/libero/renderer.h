#pragma once

#include <span>
#include <string>
#include <vector>

#include "libero/gl_context.h"
#include "libero/simulation.h"

namespace dsrl::libero {

/// The scene that is drawn: the simulated one, or a reduced one with the same joints.
struct DrawnScene {
  const Mujoco& mujoco;
  const mjModel& model;
  const SceneIds& ids;
  int msaa;
  int size;       // side of the pictures
  int film_size;  // side of a film's; 0: there is none
  bool mirrors;   // false: what reflects is drawn as if it did not, in half the time
};

/// Draws poses as the original's off-screen renderer does (robosuite, binding_utils.py). It belongs
/// to the thread that made it, with a context of OpenGL of its own.
class Renderer {
 public:
  /// Throws ERR_DSRL_LIBERO_GL.
  Renderer(const DrawnScene& scene, const GlLibrary& library);
  ~Renderer();
  Renderer(const Renderer&) = delete;
  Renderer& operator=(const Renderer&) = delete;

  /// picture: [size, size, 3] of a size that the scene names, upright: MuJoCo's own rows turned by
  /// 180 degrees, as every policy of LIBERO takes them.
  void draw(const Pose& pose, int camera, int size, std::span<uint8_t> picture);

 private:
  const DrawnScene& scene_;
  std::unique_ptr<GlContext> context_;
  PlacedModel model_;
  Mujoco::Data data_;
  mjvOption option_;
  mjvCamera camera_;
  mjvScene objects_;
  mjrContext render_;
};

}  // namespace dsrl::libero
