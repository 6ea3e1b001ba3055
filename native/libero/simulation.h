#pragma once

#include <span>
#include <vector>

#include "libero/controller.h"
#include "libero/observation_clock.h"

namespace dsrl::libero {

/// What all simulations of a scene share, read only.
struct Scene {
  Mujoco mujoco;
  Mujoco::Model model;
  SceneIds ids;
  DsrlLiberoScene settings;  // its pointers are not followed after opening
  Controller::Reading rest;  // of the arm in its initial pose, before any initial state is set

  /// `settings` need not outlive the call.
  explicit Scene(const DsrlLiberoScene& settings);
};

/// What a picture shows: enough to draw it later, in another thread, on another model.
struct Pose {
  std::span<const double> qpos;
  const double* fixtures;  // [2, 7]
  bool burner;
};

/// One environment of LIBERO: the physics, the controller on it, the clock of its observations and
/// the test of success. One thread at a time.
class Simulation {
 public:
  /// The scene must outlive it.
  explicit Simulation(const Scene& scene);

  /// init: [time, qpos, qvel]; fixtures: [2, 7].
  void restore(const double* init, const double* fixtures);
  /// One step of an action [7]; returns whether the goal is reached. A simulation that has failed
  /// must not be stepped.
  bool step(const double* action);
  /// DSRL_LIBERO_RUNNING or _BROKEN.
  int failure() const { return static_cast<int>(memory_.failure); }

  /// As the agent sees it, of the last sample.
  const std::array<double, DSRL_LIBERO_STATE>& state() const { return memory_.state; }
  Pose pose() const { return {drawn_qpos_, memory_.fixtures.data(), memory_.burner_drawn != 0}; }

  /// [time, qpos, qvel, ...]: MuJoCo's state, then `Memory`, then the qpos that is drawn.
  size_t saved_size() const;
  void save(std::span<double> saved) const;
  /// Throws ERR_DSRL_ENV_INPUT for numbers that `save` cannot have written.
  void load(std::span<const double> saved);

 private:
  /// What is remembered beside MuJoCo's own state, as plain numbers.
  struct Memory {
    Controller::State arm;
    std::array<double, DSRL_LIBERO_FINGERS> grip{};  // in [-1, 1] of each finger's range
    ObservationClock clock;
    std::array<double, DSRL_LIBERO_STATE> state{};
    std::array<double, DSRL_LIBERO_FIXTURES * DSRL_LIBERO_PLACEMENT> fixtures{};
    double burner = 0;        // 1: the plate glows
    double burner_drawn = 0;  // as it was when the observation was sampled
    double failure = DSRL_LIBERO_RUNNING;
  };
  static constexpr size_t kMemory = sizeof(Memory) / sizeof(double);
  static_assert(sizeof(Memory) == kMemory * sizeof(double));

  void substep(const double* action, bool first);
  void grip(double closing);
  void sample();
  void watch_burner();
  bool succeeded() const;
  bool has_bad_numbers() const;

  const Scene& scene_;
  PlacedModel model_;
  Mujoco::Data data_;
  Controller controller_;
  Memory memory_;
  std::vector<double> qpos_before_;  // of the substep under way: what the kinematics show
  std::vector<double> drawn_qpos_;   // of the sampled observation
};

}  // namespace dsrl::libero
