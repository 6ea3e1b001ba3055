#pragma once

#include <string>
#include <vector>

#include "core/env/tabletop_world.h"
#include "core/env/vec_env.h"

namespace dsrl {

/// The embedded default environment: `num_envs` tabletops, no assets, no dependencies.
/// Its cameras show uint8 [B, S, S, 3]: "main" the table from above, "wrist" what is around the
/// gripper.
class Tabletop : public VecEnv {
 public:
  /// seed: of the layouts, that is of the benchmark itself (env.*.seed), not of a run.
  /// frame_size: side of a chunk's frames, which show what "main" does; 0: there are none.
  Tabletop(int64_t num_envs, uint64_t seed, int64_t image_size,
           const std::vector<std::string>& cameras = {"main"}, int64_t frame_size = 0);

  int64_t num_envs() const override { return static_cast<int64_t>(worlds_.size()); }
  int64_t action_dim() const override { return TabletopWorld::kActionDim; }
  int64_t num_tasks() const override { return TabletopWorld::kTasks; }
  int64_t num_trials() const override { return 50; }

  void restore(int64_t env, int64_t task, int64_t trial) override;
  EnvObservation observe() override;
  ChunkResult step_chunk(const at::Tensor& actions, const std::vector<int32_t>& limit,
                         bool pictures = true, const std::vector<uint8_t>& filmed = {}) override;
  EnvInterior interior(int64_t env) const override;
  std::vector<double> save_state() const override;
  void load_state(const std::vector<double>& state) override;

  const TabletopWorld& world(int64_t env) const { return worlds_.at(static_cast<size_t>(env)); }

 private:
  EnvObservation observe(bool with_pictures) const;

  uint64_t seed_;
  int64_t image_size_;
  bool main_ = false, wrist_ = false;  // cameras
  int64_t frame_size_;
  std::vector<TabletopWorld> worlds_;
};

}  // namespace dsrl
