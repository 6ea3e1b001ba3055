#include "core/env/tabletop.h"

#include <ATen/ATen.h>

#include <cmath>
#include <string>

#include "core/error.h"

namespace dsrl {
namespace {

// Numbers a tabletop's saved state: the task, then its qpos.
constexpr size_t kSaved = 1 + TabletopWorld::kQposDim;

[[noreturn]] void refuse(const std::string& message) {
  throw Error("ERR_DSRL_ENV_INPUT", message);
}

/// The bytes of the picture `index` of a tensor [..., size, size, 3].
std::span<uint8_t> picture_of(const at::Tensor& pictures, int64_t index, int64_t size) {
  const int64_t bytes = size * size * 3;
  return {pictures.mutable_data_ptr<uint8_t>() + index * bytes, static_cast<size_t>(bytes)};
}

}  // namespace

Tabletop::Tabletop(int64_t num_envs, uint64_t seed, int64_t image_size,
                   const std::vector<std::string>& cameras, int64_t frame_size)
    : seed_(seed), image_size_(image_size), frame_size_(frame_size) {
  if (num_envs < 1 || num_envs > 65536) refuse("tabletop: num_envs must lie in [1, 65536]");
  if (image_size < 8 || image_size > 1024) refuse("tabletop: image_size must lie in [8, 1024]");
  if (frame_size != 0 && (frame_size < 8 || frame_size > 1024)) {
    refuse("tabletop: frame_size must be 0 or lie in [8, 1024]");
  }
  for (const std::string& camera : cameras) {
    if (camera != "main" && camera != "wrist") {
      refuse("tabletop: there is no camera '" + camera + "', only 'main' and 'wrist'");
    }
    (camera == "main" ? main_ : wrist_) = true;
  }
  worlds_.assign(static_cast<size_t>(num_envs), TabletopWorld::at_start(seed, 0, 0));
}

void Tabletop::restore(int64_t env, int64_t task, int64_t trial) {
  if (env < 0 || env >= num_envs()) refuse("tabletop: no environment " + std::to_string(env));
  if (task < 0 || task >= num_tasks()) {
    refuse("tabletop: task " + std::to_string(task) + " is outside [0, 4)");
  }
  if (trial < 0 || trial > INT32_MAX) refuse("tabletop: trial must not be negative");
  worlds_[static_cast<size_t>(env)] =
      TabletopWorld::at_start(seed_, static_cast<int>(task), static_cast<int>(trial));
}

EnvObservation Tabletop::observe() {
  return observe(true);
}

EnvObservation Tabletop::observe(bool with_pictures) const {
  EnvObservation shown{{}, at::empty({num_envs(), TabletopWorld::kStateDim}, at::kFloat)};
  float* state = shown.states.mutable_data_ptr<float>();
  for (const TabletopWorld& world : worlds_) {
    world.observe(std::span<float, TabletopWorld::kStateDim>(state, TabletopWorld::kStateDim));
    state += TabletopWorld::kStateDim;
  }
  const auto show = [&](const char* camera, auto paint) {
    const at::Tensor pictures = at::empty({num_envs(), image_size_, image_size_, 3}, at::kByte);
    for (int64_t env = 0; env < num_envs(); ++env) {
      paint(world(env), static_cast<int>(image_size_), picture_of(pictures, env, image_size_));
    }
    shown.images.emplace(camera, pictures);
  };
  if (with_pictures && main_) show("main", paint_tabletop);
  if (with_pictures && wrist_) show("wrist", paint_tabletop_wrist);
  return shown;
}

ChunkResult Tabletop::step_chunk(const at::Tensor& given, const std::vector<int32_t>& limit,
                                 bool pictures, const std::vector<uint8_t>& filmed) {
  constexpr int64_t kAction = TabletopWorld::kActionDim;
  const at::Tensor actions = checked_actions(*this, "tabletop", given, limit);
  const int64_t chunk = actions.size(1);
  const double* next = actions.const_data_ptr<double>();
  ChunkResult result;
  result.frames = empty_frames(*this, "tabletop", filmed, chunk, frame_size_);
  int64_t frame = 0;  // the first of the next environment that is filmed
  result.success.assign(static_cast<size_t>(num_envs() * chunk), 0);
  result.executed.assign(worlds_.size(), 0);
  result.failure.assign(worlds_.size(), 0);
  for (size_t env = 0; env < worlds_.size(); ++env, next += chunk * kAction) {
    const bool shown = !filmed.empty() && filmed[env] != 0;
    for (int32_t step = 0; step < limit[env]; ++step) {
      const std::span<const double, kAction> action(next + step * kAction, kAction);
      const bool success = worlds_[env].step(action);
      ++result.executed[env];
      result.success[env * static_cast<size_t>(chunk) + static_cast<size_t>(step)] = success;
      if (shown) {
        paint_tabletop(worlds_[env], static_cast<int>(frame_size_),
                       picture_of(result.frames, frame + step, frame_size_));
      }
      if (success) break;
    }
    if (shown) frame += chunk;
  }
  result.observation = observe(pictures);
  return result;
}

EnvInterior Tabletop::interior(int64_t env) const {
  const auto qpos = world(env).qpos();
  const auto state = world(env).state();
  return {{qpos.begin(), qpos.end()}, {}, {state.begin(), state.end()}};
}

std::vector<double> Tabletop::save_state() const {
  std::vector<double> state;
  for (const TabletopWorld& world : worlds_) {
    state.push_back(world.task);
    const auto qpos = world.qpos();
    state.insert(state.end(), qpos.begin(), qpos.end());
  }
  return state;
}

void Tabletop::load_state(const std::vector<double>& state) {
  if (state.size() != worlds_.size() * kSaved) refuse("tabletop: the saved state does not fit");
  for (const double number : state) {
    if (!std::isfinite(number)) refuse("tabletop: the saved state holds what is not a number");
  }
  for (size_t env = 0; env < worlds_.size(); ++env) {
    const double task = state[env * kSaved];
    if (task < 0 || task >= TabletopWorld::kTasks) refuse("tabletop: a saved task is unknown");
  }
  for (size_t env = 0; env < worlds_.size(); ++env) {
    const double* saved = state.data() + env * kSaved;
    worlds_[env].task = static_cast<int>(saved[0]);
    worlds_[env].set_qpos(
        std::span<const double, TabletopWorld::kQposDim>(saved + 1, TabletopWorld::kQposDim));
  }
}

}  // namespace dsrl
