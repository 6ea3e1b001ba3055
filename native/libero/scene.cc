#include "libero/scene.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

namespace dsrl::libero {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error("ERR_DSRL_LIBERO_BUNDLE", message);
}

int find(const Mujoco& mujoco, const mjModel& model, mjtObj type, const char* what,
         const char* name) {
  const int id = name == nullptr ? -1 : mujoco.mj_name2id(&model, type, name);
  if (id >= 0) return id;
  refuse(std::string("the scene has no ") + what + " '" + (name == nullptr ? "" : name) + "'");
}

std::vector<char> mark_geoms(const Mujoco& mujoco, const mjModel& model,
                             const DsrlLiberoObject& object) {
  std::vector<char> marked(static_cast<size_t>(model.ngeom), 0);
  for (size_t i = 0; i < object.num_geoms; ++i) {
    const int id = find(mujoco, model, mjOBJ_GEOM, "geom", object.geoms[i]);
    marked[static_cast<size_t>(id)] = 1;
  }
  return marked;
}

/// Holds the lock file of a cache, so that one process compiles and the others wait for it.
class CacheLock {
 public:
  explicit CacheLock(const std::string& cache)
      : file_(::open((cache + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
    if (file_ >= 0) ::flock(file_, LOCK_EX);
  }
  ~CacheLock() {
    if (file_ >= 0) ::close(file_);
  }
  CacheLock(const CacheLock&) = delete;
  CacheLock& operator=(const CacheLock&) = delete;

 private:
  int file_;
};

mjModel* load_compiled(const Mujoco& mujoco, const std::string& cache) {
  if (cache.empty() || ::access(cache.c_str(), R_OK) != 0) return nullptr;
  mjModel* model = nullptr;
  try {
    intercept([&] { model = mujoco.mj_loadModel(cache.c_str(), nullptr); });
  } catch (const MujocoFailure&) {
    return nullptr;  // damaged: it is compiled again
  }
  return model;
}

mjModel* compile(const Mujoco& mujoco, const std::string& xml) {
  if (::access(xml.c_str(), R_OK) != 0) refuse("there is no scene " + xml);
  char message[1024] = "";
  mjModel* model = nullptr;
  intercept([&] { model = mujoco.mj_loadXML(xml.c_str(), nullptr, message, sizeof message); });
  if (model == nullptr) refuse(xml + " cannot be compiled: " + message);
  return model;
}

void save_compiled(const Mujoco& mujoco, const mjModel& model, const std::string& cache) {
  const std::string temporary = cache + "." + std::to_string(::getpid());
  // MuJoCo reports no failure of writing; a file that is cut short shows when it is read back.
  intercept([&] { mujoco.mj_saveModel(&model, temporary.c_str(), nullptr, 0); });
  std::error_code failed;
  mjModel* again = load_compiled(mujoco, temporary);
  if (again != nullptr) {
    mujoco.mj_deleteModel(again);
    std::filesystem::rename(temporary, cache, failed);
  }
  std::filesystem::remove(temporary, failed);
}

}  // namespace

Mujoco::Model load_scene(const Mujoco& mujoco, const std::string& xml, const std::string& cache) {
  if (mjModel* ready = load_compiled(mujoco, cache)) return mujoco.own(ready);
  if (cache.empty()) return mujoco.own(compile(mujoco, xml));
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(cache).parent_path(), ignored);
  const CacheLock lock(cache);
  if (mjModel* ready = load_compiled(mujoco, cache)) return mujoco.own(ready);
  Mujoco::Model model = mujoco.own(compile(mujoco, xml));
  save_compiled(mujoco, *model, cache);
  return model;
}

SceneIds SceneIds::find(const Mujoco& mujoco, const mjModel& model, const DsrlLiberoScene& scene) {
  const auto id = [&](mjtObj type, const char* what, const char* name) {
    return libero::find(mujoco, model, type, what, name);
  };
  const auto joint = [&](const char* name) { return id(mjOBJ_JOINT, "joint", name); };
  SceneIds ids;
  for (size_t i = 0; i < ids.arm_qpos.size(); ++i) {
    const int arm = joint(scene.arm_joints[i]);
    ids.arm_qpos[i] = model.jnt_qposadr[arm];
    ids.arm_dof[i] = model.jnt_dofadr[arm];
    ids.arm_actuator[i] = id(mjOBJ_ACTUATOR, "actuator", scene.arm_actuators[i]);
  }
  for (size_t i = 0; i < ids.finger_qpos.size(); ++i) {
    ids.finger_qpos[i] = model.jnt_qposadr[joint(scene.gripper_joints[i])];
    ids.finger_actuator[i] = id(mjOBJ_ACTUATOR, "actuator", scene.gripper_actuators[i]);
  }
  ids.grip_site = id(mjOBJ_SITE, "site", scene.grip_site);
  ids.hand_body = id(mjOBJ_BODY, "body", scene.hand_body);
  ids.target_body = id(mjOBJ_BODY, "body", scene.target.body);
  ids.goal_body = id(mjOBJ_BODY, "body", scene.goal.body);
  ids.target_geom = mark_geoms(mujoco, model, scene.target);
  ids.goal_geom = mark_geoms(mujoco, model, scene.goal);
  for (size_t i = 0; i < ids.fixture_body.size(); ++i) {
    ids.fixture_body[i] = id(mjOBJ_BODY, "body", scene.fixtures[i]);
  }
  ids.burner_qpos = model.jnt_qposadr[joint(scene.burner_joint)];
  ids.burner_site = id(mjOBJ_SITE, "site", scene.burner_site);
  return ids;
}

int camera_id(const Mujoco& mujoco, const mjModel& model, const std::string& name) {
  const int id = mujoco.mj_name2id(&model, mjOBJ_CAMERA, name.c_str());
  if (id >= 0) return id;
  std::string known;
  for (int i = 0; i < model.ncam; ++i) {
    known += (i == 0 ? "" : ", ") + std::string(model.names + model.name_camadr[i]);
  }
  throw Error("ERR_DSRL_ENV_INPUT", "libero: there is no camera '" + name + "'; there is " + known);
}

PlacedModel::PlacedModel(const mjModel& shared, const SceneIds& ids)
    : model_(shared),
      ids_(ids),
      nbvh_(shared.nbvh),
      body_pos_(shared.body_pos, shared.body_pos + 3 * shared.nbody),
      body_quat_(shared.body_quat, shared.body_quat + 4 * shared.nbody),
      site_rgba_(shared.site_rgba, shared.site_rgba + 4 * shared.nsite) {
  model_.body_pos = body_pos_.data();
  model_.body_quat = body_quat_.data();
  model_.site_rgba = site_rgba_.data();
  // Faster, and the same to some 1e-15: the constraints' Jacobian has few entries in a row, and
  // nothing reads the sensors.
  model_.opt.jacobian = mjJAC_SPARSE;
  model_.opt.disableflags |= mjDSBL_SENSOR;
  // Each collision step clears a mark a bounding volume, 600 kB with the full meshes, that only a
  // drawing of the volumes reads. The marks are written all the same: see make_data.
  model_.nbvh = 0;
}

Mujoco::Data PlacedModel::make_data(const Mujoco& mujoco) const {
  mjModel sized = model_;
  sized.nbvh = nbvh_;
  return mujoco.make_data(&sized);
}

void PlacedModel::place(const double* fixtures) {
  for (const int body : ids_.fixture_body) {
    std::copy_n(fixtures, 3, body_pos_.begin() + 3 * body);
    std::copy_n(fixtures + 3, 4, body_quat_.begin() + 4 * body);
    fixtures += DSRL_LIBERO_PLACEMENT;
  }
}

void PlacedModel::show_burner(bool visible) {
  site_rgba_[4 * static_cast<size_t>(ids_.burner_site) + 3] = visible ? 1.f : 0.f;
}

}  // namespace dsrl::libero
