#include "libero/controller.h"

#include <algorithm>
#include <cmath>

namespace dsrl::libero {
namespace {

template <size_t N>
Vector<N> vector_of(const double (&values)[N]) {
  Vector<N> result;
  std::copy_n(values, N, result.begin());
  return result;
}

template <size_t N>
double along(const std::vector<mjtNum>& jacobian, size_t row, const mjtNum* qvel) {
  double sum = 0;
  const size_t nv = jacobian.size() / N;
  for (size_t dof = 0; dof < nv; ++dof) sum += jacobian[row * nv + dof] * qvel[dof];
  return sum;
}

/// Inverse of J M^-1 J^T, the inertia that a force at the gripper meets.
template <size_t R, size_t C>
Matrix<R, R> task_inertia(const Matrix<R, C>& jacobian, const Matrix<C, C>& inverse_mass) {
  return symmetric_pseudo_inverse(jacobian * inverse_mass * transposed(jacobian));
}

Matrix<3, Controller::kArm> three_rows(const Matrix<6, Controller::kArm>& jacobian, size_t first) {
  Matrix<3, Controller::kArm> rows;
  std::copy_n(jacobian.values.begin() + static_cast<long>(first * Controller::kArm),
              rows.values.size(), rows.values.begin());
  return rows;
}

}  // namespace

Controller::Controller(const Mujoco& mujoco, const SceneIds& ids, const DsrlLiberoScene& scene)
    : mujoco_(mujoco),
      ids_(ids),
      input_min_(vector_of(scene.input_min)),
      input_max_(vector_of(scene.input_max)),
      output_min_(vector_of(scene.output_min)),
      output_max_(vector_of(scene.output_max)),
      kp_(vector_of(scene.kp)),
      kd_(vector_of(scene.kd)),
      rest_qpos_(vector_of(scene.init_qpos)),
      stiffness_(scene.nullspace_stiffness),
      damping_(2 * std::sqrt(scene.nullspace_stiffness)) {}

Controller::Reading Controller::read(const mjModel& model, mjData& data) {
  const auto nv = static_cast<size_t>(model.nv);
  linear_.resize(3 * nv);
  angular_.resize(3 * nv);
  mass_.resize(nv * nv);
  mujoco_.mj_jacSite(&model, &data, linear_.data(), angular_.data(), ids_.grip_site);
  mujoco_.mj_fullM(&model, mass_.data(), data.qM);
  Reading reading;
  std::copy_n(data.site_xpos + 3 * ids_.grip_site, 3, reading.position.begin());
  std::copy_n(data.site_xmat + 9 * ids_.grip_site, 9, reading.rotation.values.begin());
  for (size_t row = 0; row < 3; ++row) {
    reading.velocity[row] = along<3>(linear_, row, data.qvel);
    reading.velocity[3 + row] = along<3>(angular_, row, data.qvel);
  }
  for (size_t i = 0; i < kArm; ++i) {
    const auto dof = static_cast<size_t>(ids_.arm_dof[i]);
    reading.qpos[i] = data.qpos[ids_.arm_qpos[i]];
    reading.qvel[i] = data.qvel[dof];
    for (size_t row = 0; row < 3; ++row) {
      reading.jacobian(row, i) = linear_[row * nv + dof];
      reading.jacobian(3 + row, i) = angular_[row * nv + dof];
    }
    for (size_t j = 0; j < kArm; ++j) {
      reading.mass(i, j) = mass_[dof * nv + static_cast<size_t>(ids_.arm_dof[j])];
    }
  }
  return reading;
}

Controller::State Controller::reset(const Reading& reading) {
  return {reading, reading.position, reading.rotation, 0};
}

void Controller::refresh(State& state, const mjModel& model, mjData& data) {
  if (state.refresh == 0) return;
  state.reading = read(model, data);
  state.refresh = 0;
}

void Controller::set_goal(State& state, const mjModel& model, mjData& data, const double* action) {
  refresh(state, model, data);
  Vector<kPose> delta;
  for (size_t i = 0; i < kPose; ++i) {
    const double scale =
        std::abs(output_max_[i] - output_min_[i]) / std::abs(input_max_[i] - input_min_[i]);
    const double input_middle = (input_max_[i] + input_min_[i]) / 2;
    const double output_middle = (output_max_[i] + output_min_[i]) / 2;
    const double clipped = std::clamp(action[i], input_min_[i], input_max_[i]);
    delta[i] = (clipped - input_middle) * scale + output_middle;
  }
  const Vector<3> turn{delta[3], delta[4], delta[5]};
  // A rotation of exactly zero keeps the goal before it, whatever the arm has done since.
  if (turn[0] != 0 || turn[1] != 0 || turn[2] != 0) {
    state.goal_rotation = rotation_of(turn) * state.reading.rotation;
  }
  for (size_t i = 0; i < 3; ++i) state.goal_position[i] = state.reading.position[i] + delta[i];
}

Vector<Controller::kArm> Controller::torques(const State& state, const mjData& data) const {
  const Reading& now = state.reading;
  const Vector<3> turn = orientation_error(state.goal_rotation, now.rotation);
  Vector<3> force, torque;
  for (size_t i = 0; i < 3; ++i) {
    force[i] = (state.goal_position[i] - now.position[i]) * kp_[i] - now.velocity[i] * kd_[i];
    torque[i] = turn[i] * kp_[3 + i] - now.velocity[3 + i] * kd_[3 + i];
  }
  const auto inverse_mass = inverse(now.mass);
  const auto inertia = task_inertia(now.jacobian, inverse_mass);
  const Vector<3> linear = task_inertia(three_rows(now.jacobian, 0), inverse_mass) * force;
  const Vector<3> angular = task_inertia(three_rows(now.jacobian, 3), inverse_mass) * torque;
  const auto transposed_jacobian = transposed(now.jacobian);
  const Vector<kArm> task = transposed_jacobian * Vector<kPose>{linear[0],  linear[1],  linear[2],
                                                                angular[0], angular[1], angular[2]};
  Vector<kArm> towards_rest;
  for (size_t i = 0; i < kArm; ++i) {
    towards_rest[i] = stiffness_ * (rest_qpos_[i] - now.qpos[i]) - damping_ * now.qvel[i];
  }
  auto nullspace = (inverse_mass * transposed_jacobian * inertia) * now.jacobian;
  for (size_t i = 0; i < kArm; ++i) {
    for (size_t j = 0; j < kArm; ++j) nullspace(i, j) = (i == j ? 1.0 : 0.0) - nullspace(i, j);
  }
  const Vector<kArm> rest = transposed(nullspace) * (now.mass * towards_rest);
  Vector<kArm> sum;
  for (size_t i = 0; i < kArm; ++i) sum[i] = task[i] + data.qfrc_bias[ids_.arm_dof[i]] + rest[i];
  return sum;
}

void Controller::apply(State& state, const mjModel& model, mjData& data) {
  refresh(state, model, data);
  const Vector<kArm> wanted = torques(state, data);
  for (size_t i = 0; i < kArm; ++i) {
    const mjtNum* range = model.actuator_ctrlrange + 2 * ids_.arm_actuator[i];
    data.ctrl[ids_.arm_actuator[i]] = std::clamp(wanted[i], range[0], range[1]);
  }
  state.refresh = 1;
}

}  // namespace dsrl::libero
