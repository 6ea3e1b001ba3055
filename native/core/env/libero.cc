#include "core/env/libero.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/checkpoint/safetensors.h"
#include "core/error.h"

namespace dsrl {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error("ERR_DSRL_ENV_INPUT", "libero: " + message);
}

[[noreturn]] void damaged(const std::string& message) {
  throw Error("ERR_DSRL_LIBERO_BUNDLE", message);
}

/// The names and numbers of a model as the plugin takes them; it points into the model.
class SceneSettings {
 public:
  SceneSettings(const LiberoOptions& options, std::vector<const char*>& target,
                std::vector<const char*>& goal) {
    const LiberoModel& model = options.model;
    scene_.size = sizeof scene_;
    scene_.library = options.library.c_str();
    scene_.xml = options.scene.c_str();
    scene_.cache = options.scene_cache.c_str();
    scene_.drawn_xml = options.drawn_scene.c_str();
    scene_.drawn_cache = options.drawn_cache.c_str();
    names(scene_.arm_joints, model.arm_joints, "robot.arm_joints");
    names(scene_.arm_actuators, model.arm_actuators, "robot.arm_actuators");
    names(scene_.gripper_joints, model.gripper_joints, "robot.gripper_joints");
    names(scene_.gripper_actuators, model.gripper_actuators, "robot.gripper_actuators");
    scene_.grip_site = model.grip_site.c_str();
    scene_.hand_body = model.hand_body.c_str();
    scene_.target = object(model.target, target);
    scene_.goal = object(model.goal, goal);
    scene_.fixtures[0] = model.cabinet.c_str();
    scene_.fixtures[1] = model.stove.c_str();
    scene_.burner_joint = model.burner_joint.c_str();
    scene_.burner_site = model.burner_site.c_str();
    scene_.burner_visible_from = model.burner_visible_from;
    numbers(scene_.init_qpos, model.init_qpos, "robot.init_qpos");
    numbers(scene_.init_gripper_qpos, model.init_gripper_qpos, "robot.init_gripper_qpos");
    numbers(scene_.input_min, model.input_min, "controller.input_min");
    numbers(scene_.input_max, model.input_max, "controller.input_max");
    numbers(scene_.output_min, model.output_min, "controller.output_min");
    numbers(scene_.output_max, model.output_max, "controller.output_max");
    numbers(scene_.kp, model.kp, "controller.kp");
    numbers(scene_.kd, model.kd, "controller.kd");
    scene_.nullspace_stiffness = model.nullspace_stiffness;
    scene_.gripper_speed = model.gripper_speed;
    numbers(scene_.gripper_signs, model.gripper_signs, "controller.gripper_signs");
    scene_.control_freq = model.control_freq;
    scene_.substeps = static_cast<int32_t>(model.substeps);
    if (model.substeps < 1 || model.substeps > 1000 || !(model.control_freq > 0)) {
      damaged("bundle.json: controller.substeps or control_freq is out of range");
    }
  }

  const DsrlLiberoScene& get() const { return scene_; }

 private:
  template <size_t N>
  static void names(const char* (&out)[N], const std::vector<std::string>& in, const char* key) {
    check(in.size() == N, key, N);
    std::transform(in.begin(), in.end(), out, [](const std::string& s) { return s.c_str(); });
  }
  template <size_t N>
  static void numbers(double (&out)[N], const std::vector<double>& in, const char* key) {
    check(in.size() == N, key, N);
    std::copy(in.begin(), in.end(), out);
  }
  static void check(bool fits, const char* key, size_t count) {
    if (!fits) damaged("bundle.json: " + std::string(key) + " must list " + std::to_string(count));
  }
  static DsrlLiberoObject object(const LiberoObject& in, std::vector<const char*>& geoms) {
    for (const std::string& geom : in.geoms) geoms.push_back(geom.c_str());
    return {in.body.c_str(), geoms.data(), geoms.size()};
  }

  DsrlLiberoScene scene_{};
};

const LiberoOptions& checked(const LiberoOptions& options) {
  if (options.num_envs < 1 || options.num_envs > 4096) refuse("num_envs must lie in [1, 4096]");
  if (options.threads < 1 || options.threads > 1024) refuse("threads must lie in [1, 1024]");
  if (options.image_size < 8 || options.image_size > 2048) {
    refuse("image_size must lie in [8, 2048]");
  }
  if (options.frame_size != 0 && (options.frame_size < 8 || options.frame_size > 2048)) {
    refuse("frame_size must be 0 or lie in [8, 2048]");
  }
  if (options.msaa < 0 || options.msaa > 16) refuse("msaa must lie in [0, 16]");
  for (const auto* pose : {&options.cabinet_pose, &options.stove_pose}) {
    if (pose->empty()) continue;
    const bool finite = std::ranges::all_of(*pose, [](double x) { return std::isfinite(x); });
    if (pose->size() != DSRL_LIBERO_PLACEMENT || !finite) {
      refuse("a fixture's pose must be seven finite numbers");
    }
  }
  return options;
}

at::Tensor take(const SafetensorsFile& file, const std::string& path, const std::string& name,
                at::IntArrayRef shape) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end()) damaged(path + " has no tensor '" + name + "'");
  const at::Tensor& tensor = found->second;
  bool fits = tensor.scalar_type() == at::kDouble && tensor.dim() == int64_t(shape.size());
  for (size_t i = 0; fits && i < shape.size(); ++i) {
    fits = tensor.size(int64_t(i)) >= 1 && (shape[i] < 0 || tensor.size(int64_t(i)) == shape[i]);
  }
  if (!fits) damaged(path + ": '" + name + "' has another type or shape than it must have");
  if (!at::isfinite(tensor).all().item<bool>()) {
    damaged(path + ": '" + name + "' holds what is not a number");
  }
  return tensor;
}

/// Of each task the states of `all` [tasks, n, s] that are none of `evaluated` [tasks, m, s]; of
/// every task as many, the fewest that there are of one.
at::Tensor beside(const at::Tensor& evaluated, const at::Tensor& all, const std::string& path) {
  std::vector<at::Tensor> others;
  int64_t fewest = all.size(1);
  for (int64_t task = 0; task < all.size(0); ++task) {
    const at::Tensor same = (all[task].unsqueeze(1) == evaluated[task].unsqueeze(0)).all(-1).any(1);
    others.push_back(all[task].index_select(0, at::nonzero(same.logical_not()).flatten()));
    fewest = std::min(fewest, others.back().size(0));
  }
  if (fewest == 0) damaged(path + " has no initial states beside those that are evaluated");
  for (at::Tensor& states : others) states = states.slice(0, 0, fewest);
  return at::stack(others).contiguous();
}

}  // namespace

Libero::Libero(const LiberoOptions& options)
    : num_envs_(checked(options).num_envs),
      seed_(options.seed),
      image_size_(options.image_size),
      frame_size_(options.frame_size),
      given_{options.cabinet_pose, options.stove_pose} {
  const DsrlLiberoPlugin& plugin =
      open_libero_plugin(options.plugin_folder, options.library, options.allow_mujoco_drift);
  std::vector<const char*> target_geoms, goal_geoms, cameras;
  const SceneSettings scene(options, target_geoms, goal_geoms);
  for (const auto& [name, camera] : options.cameras) {
    cameras_.push_back(name);
    cameras.push_back(camera.c_str());
  }
  DsrlLiberoOptions settings{};
  settings.size = sizeof settings;
  settings.num_envs = static_cast<int32_t>(num_envs_);
  settings.threads = static_cast<int32_t>(std::min(options.threads, num_envs_));
  settings.gl = options.gl;
  settings.msaa = static_cast<int32_t>(options.msaa);
  settings.image_size = static_cast<int32_t>(image_size_);
  settings.num_cameras = cameras.size();
  settings.cameras = cameras.data();
  settings.film_camera = options.film_camera.c_str();
  settings.film_size = static_cast<int32_t>(frame_size_);
  world_ = std::make_unique<LiberoWorld>(plugin, scene.get(), settings);
  experts_.resize(static_cast<size_t>(num_envs_));
  read_init_states(options.init_states, options.unevaluated_states);
  for (int64_t env = 0; env < num_envs_; ++env) restore(env, 0, 0);
}

void Libero::read_init_states(const std::string& path, bool unevaluated) {
  const SafetensorsFile file = read_safetensors(path);
  const DsrlLiberoSizes sizes = world_->sizes();
  init_ = take(file, path, "init_states", {-1, -1, int64_t(1 + sizes.qpos + sizes.qvel)});
  if (unevaluated) {
    const auto all = take(file, path, "init_states_unpruned", {init_.size(0), -1, init_.size(2)});
    init_ = beside(init_, all, path);
  }
  places_ = {take(file, path, "cabinet_pose", {-1, init_.size(0), 7}),
             take(file, path, "stove_pose", {-1, init_.size(0), 7})};
  if (places_[0].size(0) != places_[1].size(0)) {
    damaged(path + ": cabinet_pose and stove_pose are for different numbers of seeds");
  }
}

void Libero::restore(int64_t env, int64_t task, int64_t trial) {
  if (env < 0 || env >= num_envs_) refuse("no environment " + std::to_string(env));
  if (task < 0 || task >= num_tasks()) {
    refuse("task " + std::to_string(task) + " is outside [0, " + std::to_string(num_tasks()) + ")");
  }
  if (trial < 0 || trial >= num_trials()) {
    refuse("trial " + std::to_string(trial) + " is outside [0, " + std::to_string(num_trials()) +
           ")");
  }
  experts_[static_cast<size_t>(env)].reset();
  const auto fixtures = placement(env, task);
  world_->restore(static_cast<int32_t>(env), init_[task][trial].const_data_ptr<double>(),
                  fixtures.data());
}

std::array<double, DSRL_LIBERO_FIXTURES * DSRL_LIBERO_PLACEMENT> Libero::placement(
    int64_t env, int64_t task) const {
  const auto worker = seed_ * static_cast<uint64_t>(num_envs_) + static_cast<uint64_t>(env);
  const auto row = static_cast<int64_t>(worker % static_cast<uint64_t>(places_[0].size(0)));
  std::array<double, DSRL_LIBERO_FIXTURES * DSRL_LIBERO_PLACEMENT> poses;
  for (size_t i = 0; i < given_.size(); ++i) {
    const double* pose =
        given_[i].empty() ? places_[i][row][task].const_data_ptr<double>() : given_[i].data();
    std::copy_n(pose, DSRL_LIBERO_PLACEMENT, poses.begin() + i * DSRL_LIBERO_PLACEMENT);
  }
  return poses;
}

EnvObservation Libero::observe(bool with_pictures) {
  const at::Tensor states = at::empty({num_envs_, DSRL_LIBERO_STATE}, at::kDouble);
  world_->observe(states.mutable_data_ptr<double>());
  EnvObservation observation{{}, states.to(at::kFloat)};
  if (!with_pictures || cameras_.empty()) return observation;
  std::vector<uint8_t*> pictures;
  for (const std::string& camera : cameras_) {
    const at::Tensor picture = at::empty({num_envs_, image_size_, image_size_, 3}, at::kByte);
    pictures.push_back(picture.mutable_data_ptr<uint8_t>());
    observation.images.emplace(camera, picture);
  }
  world_->draw(pictures.data());
  return observation;
}

ChunkResult Libero::step_chunk(const at::Tensor& given, const std::vector<int32_t>& limit,
                               bool pictures, const std::vector<uint8_t>& filmed) {
  const at::Tensor actions = checked_actions(*this, "libero", given, limit);
  const auto chunk = static_cast<int32_t>(actions.size(1));
  const auto envs = static_cast<size_t>(num_envs_);
  ChunkResult result;
  result.frames = empty_frames(*this, "libero", filmed, chunk, frame_size_);
  result.success.assign(envs * static_cast<size_t>(chunk), 0);
  result.executed.assign(envs, 0);
  result.failure.assign(envs, 0);
  if (result.frames.defined()) {
    step_and_film(actions, limit, filmed, result);
  } else {
    world_->step_chunk(actions.const_data_ptr<double>(), chunk, limit.data(), result.success.data(),
                       result.executed.data(), result.failure.data());
  }
  result.observation = observe(pictures);
  return result;
}

/// The chunk as so many chunks of one step, with a picture after each: the physics know no chunks.
void Libero::step_and_film(const at::Tensor& actions, const std::vector<int32_t>& limit,
                           const std::vector<uint8_t>& filmed, ChunkResult& result) {
  const auto chunk = static_cast<size_t>(actions.size(1)), envs = static_cast<size_t>(num_envs_);
  const auto frame = static_cast<size_t>(frame_size_ * frame_size_ * 3);
  std::vector<int32_t> once(envs), executed(envs);
  std::vector<uint8_t> success(envs), done(envs, 0);
  for (size_t step = 0; step < chunk; ++step) {
    for (size_t env = 0; env < envs; ++env) {
      once[env] = static_cast<int32_t>(step) < limit[env] && !done[env] ? 1 : 0;
    }
    const at::Tensor now = actions.select(1, static_cast<int64_t>(step)).contiguous();
    world_->step_chunk(now.const_data_ptr<double>(), 1, once.data(), success.data(),
                       executed.data(), result.failure.data());
    std::vector<uint8_t*> shown(envs, nullptr);
    uint8_t* next = result.frames.mutable_data_ptr<uint8_t>() + step * frame;
    for (size_t env = 0; env < envs; ++env) {
      if (executed[env] == 1) {
        ++result.executed[env];
        result.success[env * chunk + step] = success[env];
        done[env] = success[env];
      }
      if (!filmed[env]) continue;
      if (executed[env] == 1) shown[env] = next;
      next += chunk * frame;
    }
    world_->film(shown.data());
  }
}

EnvInterior Libero::interior(int64_t env) const {
  if (env < 0 || env >= num_envs_) refuse("no environment " + std::to_string(env));
  const DsrlLiberoSizes sizes = world_->sizes();
  std::vector<double> saved(sizes.saved), states(static_cast<size_t>(num_envs_) * 8);
  world_->save(static_cast<int32_t>(env), saved.data());
  world_->observe(states.data());
  const double* qpos = saved.data() + 1;
  const double* state = states.data() + env * DSRL_LIBERO_STATE;
  return {{qpos, qpos + sizes.qpos},
          {qpos + sizes.qpos, qpos + sizes.qpos + sizes.qvel},
          {state, state + DSRL_LIBERO_STATE}};
}

ExpertStep Libero::expert_step(const std::vector<int32_t>& errands) {
  if (errands.size() != experts_.size()) refuse("one errand an environment is needed");
  const bool known = std::ranges::all_of(errands, [](int32_t e) { return e == 0 || e == 1; });
  if (!known) refuse("an errand is 0, the target, or 1, the other bowl");
  ExpertStep step{at::zeros({num_envs_, 1, DSRL_LIBERO_ACTION}, at::kDouble), {}};
  double* action = step.actions.mutable_data_ptr<double>();
  for (int64_t env = 0; env < num_envs_; ++env, action += DSRL_LIBERO_ACTION) {
    const auto e = static_cast<size_t>(env);
    const EnvInterior inside = interior(env);
    const LiberoExpert::Scene scene = LiberoExpert::read(inside.qpos, inside.state);
    const auto bowl = static_cast<LiberoExpert::Bowl>(errands[e]);
    std::ranges::copy(experts_[e].act(scene, bowl), action);
    step.phases.push_back(static_cast<int32_t>(experts_[e].phase()));
  }
  return step;
}

std::vector<double> Libero::save_state() const {
  const size_t each = world_->sizes().saved;
  std::vector<double> state(each * static_cast<size_t>(num_envs_));
  for (int32_t env = 0; env < num_envs_; ++env) world_->save(env, state.data() + env * each);
  return state;
}

void Libero::load_state(const std::vector<double>& state) {
  const size_t each = world_->sizes().saved;
  if (state.size() != each * static_cast<size_t>(num_envs_)) {
    refuse("the saved state does not fit");
  }
  if (!std::all_of(state.begin(), state.end(), [](double x) { return std::isfinite(x); })) {
    refuse("the saved state holds what is not a number");
  }
  for (int32_t env = 0; env < num_envs_; ++env) world_->load(env, state.data() + env * each);
}

}  // namespace dsrl
