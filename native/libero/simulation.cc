#include "libero/simulation.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "libero/success.h"

namespace dsrl::libero {
namespace {

Vector<3> body_position(const mjData& data, int body) {
  const mjtNum* position = data.xpos + 3 * body;
  return {position[0], position[1], position[2]};
}

/// The controller's first reading: robosuite makes it with the fingers closed and everything else
/// as the XML has it.
Controller::Reading read_rest(const Mujoco& mujoco, const mjModel& model, const SceneIds& ids,
                              const DsrlLiberoScene& settings) {
  const Mujoco::Data data = mujoco.make_data(&model);
  for (size_t i = 0; i < ids.arm_qpos.size(); ++i) {
    data->qpos[ids.arm_qpos[i]] = settings.init_qpos[i];
  }
  for (size_t i = 0; i < ids.finger_qpos.size(); ++i) {
    data->qpos[ids.finger_qpos[i]] = settings.init_gripper_qpos[i];
  }
  intercept([&] { mujoco.mj_forward(&model, data.get()); });
  return Controller(mujoco, ids, settings).read(model, *data);
}

/// Whether the constraints' solver has ended at rounding errors, and not at its tolerance (1e-8).
bool is_exact(const mjData& data) {
  if (data.nefc == 0) return true;
  const int iterations = data.solver_niter[0];
  if (iterations < 1 || iterations > mjNSOLVER) return false;
  return data.solver[iterations - 1].gradient < 1e-15;
}

}  // namespace

Scene::Scene(const DsrlLiberoScene& given)
    : mujoco(Mujoco::open(given.library)),
      model(load_scene(mujoco, given.xml, given.cache)),
      ids(SceneIds::find(mujoco, *model, given)),
      settings(given),
      rest(read_rest(mujoco, *model, ids, given)) {}

Simulation::Simulation(const Scene& scene)
    : scene_(scene),
      model_(*scene.model, scene.ids),
      data_(model_.make_data(scene.mujoco)),
      controller_(scene.mujoco, scene.ids, scene.settings),
      qpos_before_(data_->qpos, data_->qpos + scene.model->nq),
      drawn_qpos_(qpos_before_) {
  memory_.arm = Controller::reset(scene.rest);
}

void Simulation::restore(const double* init, const double* fixtures) {
  const Mujoco& mujoco = scene_.mujoco;
  const mjModel* model = model_.get();
  memory_ = {};
  memory_.arm = Controller::reset(scene_.rest);
  memory_.clock = ObservationClock::after_reset(model->opt.timestep);
  std::copy_n(fixtures, memory_.fixtures.size(), memory_.fixtures.begin());
  model_.place(fixtures);
  intercept([&] { mujoco.mj_resetData(model, data_.get()); });
  data_->time = init[0];
  std::copy_n(init + 1, model->nq, data_->qpos);
  std::copy_n(init + 1 + model->nq, model->nv, data_->qvel);
  std::copy_n(data_->qpos, model->nq, qpos_before_.begin());
  intercept([&] { mujoco.mj_forward(model, data_.get()); });
  watch_burner();
  sample();
}

bool Simulation::step(const double* action) {
  try {
    for (int i = 0; i < scene_.settings.substeps; ++i) {
      substep(action, i == 0);
      if (has_bad_numbers()) memory_.failure = DSRL_LIBERO_BROKEN;
      if (failure() != DSRL_LIBERO_RUNNING) return false;
    }
  } catch (const MujocoFailure&) {
    memory_.failure = DSRL_LIBERO_BROKEN;
    return false;
  }
  watch_burner();
  return succeeded();
}

/// The original calls forward, then the controller, which calls forward again unless its reading is
/// fresh, then step. Up to 3.3.2 each solves the constraints from the solution before it, so that
/// what a solver has left undone shows in the next solution: without the first two the joints are
/// off by 2e-4 after 15 no-ops, without the second by 2e-9. Positions and velocities are the same
/// in all. A second solution of what is solved to the last digit already changes nothing.
void Simulation::substep(const double* action, bool first) {
  const Mujoco& mujoco = scene_.mujoco;
  const mjModel* model = model_.get();
  mjData* data = data_.get();
  std::copy_n(data->qpos, model->nq, qpos_before_.begin());
  const int solutions = memory_.arm.refresh == 0 ? 1 : 2;
  intercept([=, &mujoco] {
    mujoco.mj_step1(model, data);
    mujoco.mj_fwdActuation(model, data);
    mujoco.mj_fwdAcceleration(model, data);
    mujoco.mj_fwdConstraint(model, data);
    if (solutions == 2 && !is_exact(*data)) mujoco.mj_fwdConstraint(model, data);
  });
  if (first) controller_.set_goal(memory_.arm, *model, *data, action);
  controller_.apply(memory_.arm, *model, *data);
  grip(action[DSRL_LIBERO_POSE]);
  intercept([=, &mujoco] { mujoco.mj_step2(model, data); });
  const double period = 1 / scene_.settings.control_freq;
  if (memory_.clock.tick(model->opt.timestep, period)) sample();
}

void Simulation::grip(double closing) {
  const double sign = closing > 0 ? 1.0 : closing < 0 ? -1.0 : 0.0;
  for (size_t i = 0; i < memory_.grip.size(); ++i) {
    const double move = scene_.settings.gripper_signs[i] * scene_.settings.gripper_speed * sign;
    memory_.grip[i] = std::clamp(memory_.grip[i] + move, -1.0, 1.0);
    const int actuator = scene_.ids.finger_actuator[i];
    const mjtNum* range = model_.get()->actuator_ctrlrange + 2 * actuator;
    const double middle = .5 * (range[1] + range[0]), half = .5 * (range[1] - range[0]);
    data_->ctrl[actuator] = middle + half * memory_.grip[i];
  }
}

/// The arm's pose is that of the kinematics, from before the integration; the fingers' is of now.
void Simulation::sample() {
  const SceneIds& ids = scene_.ids;
  const mjtNum* position = data_->site_xpos + 3 * ids.grip_site;
  const mjtNum* wxyz = data_->xquat + 4 * ids.hand_body;
  const Vector<3> turn = axis_angle_of({wxyz[1], wxyz[2], wxyz[3], wxyz[0]});
  const auto finger = [&](size_t i) { return data_->qpos[ids.finger_qpos[i]]; };
  memory_.state = {position[0], position[1], position[2], turn[0],
                   turn[1],     turn[2],     finger(0),   finger(1)};
  memory_.burner_drawn = memory_.burner;
  drawn_qpos_ = qpos_before_;
}

/// The original switches the plate's glow after a step, so pictures show it from the next one on.
void Simulation::watch_burner() {
  const double angle = data_->qpos[scene_.ids.burner_qpos];
  memory_.burner = angle >= scene_.settings.burner_visible_from ? 1 : 0;
}

/// Judged on the kinematics and contacts of the last substep's beginning, as the original does.
bool Simulation::succeeded() const {
  const SceneIds& ids = scene_.ids;
  bool contact = false;
  for (int i = 0; i < data_->ncon && !contact; ++i) {
    const int* pair = data_->contact[i].geom;
    if (pair[0] < 0 || pair[1] < 0) continue;  // a flexible body's contact names no geom
    const auto a = static_cast<size_t>(pair[0]), b = static_cast<size_t>(pair[1]);
    contact = (ids.target_geom[a] && ids.goal_geom[b]) || (ids.goal_geom[a] && ids.target_geom[b]);
  }
  return is_on(body_position(*data_, ids.target_body), body_position(*data_, ids.goal_body),
               contact);
}

/// MuJoCo answers bad numbers by a warning and by resetting its state.
bool Simulation::has_bad_numbers() const {
  for (const int warning : {mjWARN_BADQPOS, mjWARN_BADQVEL, mjWARN_BADQACC, mjWARN_BADCTRL}) {
    if (data_->warning[warning].number > 0) return true;
  }
  return false;
}

size_t Simulation::saved_size() const {
  const int physics = scene_.mujoco.mj_stateSize(model_.get(), mjSTATE_INTEGRATION);
  return static_cast<size_t>(physics) + kMemory + drawn_qpos_.size();
}

void Simulation::save(std::span<double> saved) const {
  static_assert(std::is_trivially_copyable_v<Memory>);
  const size_t physics = saved.size() - kMemory - drawn_qpos_.size();
  scene_.mujoco.mj_getState(model_.get(), data_.get(), saved.data(), mjSTATE_INTEGRATION);
  std::memcpy(saved.data() + physics, &memory_, sizeof memory_);
  std::copy(drawn_qpos_.begin(), drawn_qpos_.end(), saved.begin() + physics + kMemory);
}

void Simulation::load(std::span<const double> saved) {
  if (!std::all_of(saved.begin(), saved.end(), [](double x) { return std::isfinite(x); })) {
    throw Error("ERR_DSRL_ENV_INPUT", "libero: the saved state holds what is not a number");
  }
  const Mujoco& mujoco = scene_.mujoco;
  const mjModel* model = model_.get();
  const size_t physics = saved.size() - kMemory - drawn_qpos_.size();
  std::memcpy(static_cast<void*>(&memory_), saved.data() + physics, sizeof memory_);
  std::copy_n(saved.begin() + physics + kMemory, drawn_qpos_.size(), drawn_qpos_.begin());
  model_.place(memory_.fixtures.data());
  intercept([&] { mujoco.mj_resetData(model, data_.get()); });
  intercept([&] { mujoco.mj_setState(model, data_.get(), saved.data(), mjSTATE_INTEGRATION); });
}

}  // namespace dsrl::libero
