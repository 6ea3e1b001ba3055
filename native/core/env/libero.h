#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/env/libero_expert.h"
#include "core/env/libero_plugin.h"
#include "core/env/vec_env.h"

namespace dsrl {

/// An object of the goal: its root body and the geoms that count as touching it.
struct LiberoObject {
  std::string body;
  std::vector<std::string> geoms;
};

/// What bundle.json says of the model, all by name (python/libero writes it).
struct LiberoModel {
  std::vector<std::string> arm_joints, arm_actuators, gripper_joints, gripper_actuators;
  std::string grip_site, hand_body;
  std::vector<double> init_qpos, init_gripper_qpos;
  LiberoObject target, goal;
  std::string cabinet, stove;  // root bodies
  std::string burner_joint, burner_site;
  double burner_visible_from = 0;
  std::vector<double> input_min, input_max, output_min, output_max, kp, kd;
  double nullspace_stiffness = 0, gripper_speed = 0;
  std::vector<double> gripper_signs;
  double control_freq = 0;
  int64_t substeps = 0;
};

struct LiberoOptions {
  LiberoModel model;
  std::string plugin_folder;
  std::string library;  // MuJoCo
  std::string scene, scene_cache;
  std::string drawn_scene, drawn_cache;  // what is drawn instead of the scene; empty: the scene
  std::string init_states;               // init.safetensors
  /// Trials are the initial states that the suite has beside those that it evaluates on.
  bool unevaluated_states = false;
  int64_t num_envs = 1;
  uint64_t seed = 0;
  std::map<std::string, std::string> cameras;  // what it is called here -> its name in the model
  int64_t image_size = 256;
  std::string film_camera;  // what a chunk's frames show, by its name in the model
  int64_t frame_size = 0;   // side of the frames; 0: there are none
  int32_t gl = DSRL_LIBERO_GL_AUTO;
  int64_t msaa = 4;  // 0, 2, 4, 8 samples a pixel; 4 is the benchmark's
  int64_t threads = 1;
  bool allow_mujoco_drift = false;
  /// Where these stand at every restore, [7] each; empty: where the original places them.
  std::vector<double> cabinet_pose, stove_pose;
};

/// LIBERO-Spatial on MuJoCo: 10 tasks of 50 initial states, equal to the original step by step
/// (reference: LIBERO's bddl_base_domain.py and robosuite 1.4's osc.py; docs/libero.md).
///
/// Cabinet and stove stand where the original puts them after seeding numpy: environment e of n
/// takes seed `seed` * n + e, as RLinf's worker e does.
class Libero : public VecEnv {
 public:
  explicit Libero(const LiberoOptions& options);

  int64_t num_envs() const override { return num_envs_; }
  int64_t action_dim() const override { return DSRL_LIBERO_ACTION; }
  int64_t num_tasks() const override { return init_.size(0); }
  int64_t num_trials() const override { return init_.size(1); }

  void restore(int64_t env, int64_t task, int64_t trial) override;
  EnvObservation observe() override { return observe(true); }
  ChunkResult step_chunk(const at::Tensor& actions, const std::vector<int32_t>& limit,
                         bool pictures = true, const std::vector<uint8_t>& filmed = {}) override;
  EnvInterior interior(int64_t env) const override;
  /// errands: 0, the target; 1, the other bowl. phases: LiberoExpert::Phase.
  ExpertStep expert_step(const std::vector<int32_t>& errands) override;
  std::vector<double> save_state() const override;
  void load_state(const std::vector<double>& state) override;

  /// How pictures are drawn; empty before the first.
  std::string renderer() const { return world_->renderer(); }

 private:
  EnvObservation observe(bool with_pictures);
  void step_and_film(const at::Tensor& actions, const std::vector<int32_t>& limit,
                     const std::vector<uint8_t>& filmed, ChunkResult& result);
  void read_init_states(const std::string& file, bool unevaluated);
  std::array<double, DSRL_LIBERO_FIXTURES * DSRL_LIBERO_PLACEMENT> placement(int64_t env,
                                                                             int64_t task) const;

  int64_t num_envs_;
  uint64_t seed_;
  std::vector<std::string> cameras_;  // as they are called here, in the order of drawing
  int64_t image_size_, frame_size_;
  at::Tensor init_;                           // float64 [tasks, trials, 1 + qpos + qvel]
  std::array<at::Tensor, 2> places_;          // of cabinet and stove: float64 [seeds, tasks, 7]
  std::array<std::vector<double>, 2> given_;  // the same, given by the options
  std::vector<LiberoExpert> experts_;         // [B]; not saved: they begin anew with a restore
  std::unique_ptr<LiberoWorld> world_;
};

}  // namespace dsrl
