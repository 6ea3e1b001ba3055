#pragma once

#include "libero/rotation.h"
#include "libero/scene.h"

namespace dsrl::libero {

/// robosuite's OSC_POSE (controllers/osc.py) as LIBERO configures it: 20 goals a second, torques
/// at every substep, fixed impedance, position and orientation decoupled.
class Controller {
 public:
  static constexpr size_t kArm = DSRL_LIBERO_ARM;
  static constexpr size_t kPose = DSRL_LIBERO_POSE;

  /// What the torques are computed from. After a reset it is one substep old on purpose: the
  /// original takes its first goal and torque from the pose before the initial state was set.
  struct Reading {
    Vector<3> position{};
    Matrix<3, 3> rotation;
    Vector<kPose> velocity{};  // linear, angular
    Vector<kArm> qpos{}, qvel{};
    Matrix<kPose, kArm> jacobian;
    Matrix<kArm, kArm> mass;
  };
  struct State {
    Reading reading;
    Vector<3> goal_position{};
    Matrix<3, 3> goal_rotation;
    double refresh = 0;  // 1: the reading is to be taken anew before its next use
  };
  static_assert(sizeof(State) % sizeof(double) == 0, "saved as plain numbers");

  /// The references must outlive the controller.
  Controller(const Mujoco& mujoco, const SceneIds& ids, const DsrlLiberoScene& scene);

  /// A reading of `data`, whose positions and velocities are up to date.
  Reading read(const mjModel& model, mjData& data);
  /// The state after a reset: the reading and the goal are those of the pose `reading` was taken
  /// at.
  static State reset(const Reading& reading);

  /// Takes a goal from the first six numbers of an action.
  void set_goal(State& state, const mjModel& model, mjData& data, const double* action);
  /// Writes the torques into data.ctrl, clipped to the motors' ranges.
  void apply(State& state, const mjModel& model, mjData& data);

 private:
  void refresh(State& state, const mjModel& model, mjData& data);
  Vector<kArm> torques(const State& state, const mjData& data) const;

  const Mujoco& mujoco_;
  const SceneIds& ids_;
  Vector<kPose> input_min_, input_max_, output_min_, output_max_, kp_, kd_;
  Vector<kArm> rest_qpos_;
  double stiffness_, damping_;  // towards the rest pose, where the task leaves freedom
  std::vector<mjtNum> linear_, angular_, mass_;  // scratch: [3, nv], [3, nv], [nv, nv]
};

}  // namespace dsrl::libero
