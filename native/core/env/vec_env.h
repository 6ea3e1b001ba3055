#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace dsrl {

/// What a batch of environments shows; everything on the host, B rows.
struct EnvObservation {
  std::map<std::string, at::Tensor> images;  // camera to uint8 [B, S, S, 3], upright, RGB
  at::Tensor states;                         // float32 [B, state_dim]
};

/// One environment's inside in full precision, to be compared with other implementations.
struct EnvInterior {
  std::vector<double> qpos;
  std::vector<double> qvel;   // empty where the environment has no velocities
  std::vector<double> state;  // as the agent sees it, [state_dim]
};

/// What a chunk of actions did.
struct ChunkResult {
  EnvObservation observation;     // after the last executed step; without pictures if not wanted
  std::vector<uint8_t> success;   // [B * C], of each executed step; 0 where not executed
  std::vector<int32_t> executed;  // [B], steps executed
  std::vector<int32_t> failure;   // [B], 0: none; a backend's own code otherwise
  /// uint8 [K, C, S, S, 3]: what the K environments that were asked for showed after each executed
  /// step, in their order; 0 where not executed. Undefined where none was asked for.
  at::Tensor frames;
};

/// What a scripted expert wants to do.
struct ExpertStep {
  at::Tensor actions;           // float64 [B, 1, A], as step_chunk takes them
  std::vector<int32_t> phases;  // [B], the backend's own count of how far its errand has come
};

/// A backend of vectorised environments (design.md, "VecEnv").
///
/// It restores trials and steps; rewards, terminations, reset ids and metrics are derived above
/// it, once for all backends (lib/envs). One thread at a time may call it.
class VecEnv {
 public:
  virtual ~VecEnv() = default;
  virtual int64_t num_envs() const = 0;
  virtual int64_t action_dim() const = 0;
  virtual int64_t num_tasks() const = 0;
  virtual int64_t num_trials() const = 0;

  /// Puts environment `env` at the start of (task, trial).
  virtual void restore(int64_t env, int64_t task, int64_t trial) = 0;
  /// What all environments show now.
  virtual EnvObservation observe() = 0;
  /// Steps environment e through the first limit[e] (0 to C) of its actions [B, C, A], float32 or
  /// float64 on the host; stops after the step that succeeds. `pictures`: whether they are needed.
  /// An action that is to be executed and not finite is an error before anything is stepped.
  /// `filmed`, [B] or empty: the environments that `frames` are wanted of. What the environments
  /// do does not depend on it.
  virtual ChunkResult step_chunk(const at::Tensor& actions, const std::vector<int32_t>& limit,
                                 bool pictures = true, const std::vector<uint8_t>& filmed = {}) = 0;

  virtual EnvInterior interior(int64_t env) const = 0;

  /// What a scripted expert does next in each environment; to be called once a step. `errands`
  /// [B]: which object it is to fetch, 0: the task's own. Its memory of an episode begins with a
  /// restore. Throws ERR_DSRL_ENV_INPUT where the backend has no expert.
  virtual ExpertStep expert_step(const std::vector<int32_t>& errands);

  /// Everything that step_chunk depends on, as flat numbers a run can save and restore.
  virtual std::vector<double> save_state() const = 0;
  virtual void load_state(const std::vector<double>& state) = 0;
};

/// Frames of a chunk for the environments that are filmed, all 0; undefined where there are none.
/// Throws ERR_DSRL_ENV_INPUT where `filmed` does not fit, or frames are wanted and have no size.
at::Tensor empty_frames(const VecEnv& env, const std::string& backend,
                        const std::vector<uint8_t>& filmed, int64_t chunk, int64_t size);

/// The actions of a chunk as contiguous float64, checked against the backend that runs them:
/// shape, dtype, limits, and that what will be executed is finite. Throws ERR_DSRL_ENV_INPUT.
at::Tensor checked_actions(const VecEnv& env, const std::string& backend, const at::Tensor& actions,
                           const std::vector<int32_t>& limit);

}  // namespace dsrl
