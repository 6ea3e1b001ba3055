#pragma once

#include <memory>
#include <vector>

#include "libero/renderer.h"
#include "threads/thread_pool.h"

namespace dsrl::libero {

/// The pictures of all environments. They are drawn when they are asked for, by the threads of the
/// pool, each with a renderer of its own from its first picture on; an environment that has not
/// moved since is not drawn again.
class Painter {
 public:
  /// `scene` must outlive it; the others need not. Throws ERR_DSRL_LIBERO_BUNDLE where the reduced
  /// scene has other joints than the simulated one, ERR_DSRL_ENV_INPUT for an unknown camera.
  Painter(const Scene& scene, const DsrlLiberoScene& files, const DsrlLiberoOptions& options);

  /// pictures: for each camera [B, S, S, 3].
  void draw(ThreadPool& threads, const std::vector<std::unique_ptr<Simulation>>& simulations,
            uint8_t* const* pictures);
  /// One camera's pictures at the film's size, of the environments whose frame is not null; what
  /// `draw` has kept stays.
  void film(ThreadPool& threads, const std::vector<std::unique_ptr<Simulation>>& simulations,
            uint8_t* const* frames);
  /// The environment has moved. May be called for different environments at once.
  void has_moved(size_t env) { current_[env] = 0; }
  /// Frees the renderers, each in its thread.
  void close(ThreadPool& threads);
  /// Which library draws; empty before the first picture.
  std::string description() const { return library_ == nullptr ? "" : library_->name(); }

 private:
  Renderer& renderer(size_t worker);

  Mujoco::Model reduced_;  // null: the simulated scene is drawn
  SceneIds reduced_ids_;
  std::vector<int> cameras_;
  int film_camera_ = -1;
  DrawnScene scene_;
  int32_t gl_;
  std::shared_ptr<const GlLibrary> library_;          // from the first picture on
  std::vector<std::unique_ptr<Renderer>> renderers_;  // one a worker
  std::vector<std::vector<uint8_t>> drawn_;           // [B * cameras]
  std::vector<char> current_;                         // [B], 1: `drawn_` shows it as it is
};

}  // namespace dsrl::libero
