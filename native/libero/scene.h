#pragma once

#include <array>
#include <string>
#include <vector>

#include "libero/mujoco_api.h"
#include "libero/plugin.h"

namespace dsrl::libero {

/// Reads a scene: its compiled form from `cache` where there is one that fits, otherwise the XML,
/// whose compiled form (some 280 MB) is then kept there. Several processes may do so at once.
/// An unwritable cache is no error. Throws ERR_DSRL_LIBERO_BUNDLE.
Mujoco::Model load_scene(const Mujoco& mujoco, const std::string& xml, const std::string& cache);

/// The parts of a model that the environments work on, found by their names.
struct SceneIds {
  std::array<int, DSRL_LIBERO_ARM> arm_qpos, arm_dof, arm_actuator;
  std::array<int, DSRL_LIBERO_FINGERS> finger_qpos, finger_actuator;
  int grip_site, hand_body;
  int target_body, goal_body;
  std::vector<char> target_geom, goal_geom;  // [ngeom], 1 where the geom is the object's
  std::array<int, DSRL_LIBERO_FIXTURES> fixture_body;
  int burner_qpos, burner_site;

  /// Throws ERR_DSRL_LIBERO_BUNDLE, naming what the model lacks.
  static SceneIds find(const Mujoco& mujoco, const mjModel& model, const DsrlLiberoScene& scene);
};

/// The id of a named camera. Throws ERR_DSRL_ENV_INPUT, listing those that there are.
int camera_id(const Mujoco& mujoco, const mjModel& model, const std::string& name);

/// A model whose fixtures and burner are its own; everything else is shared with `shared`, which
/// must outlive it and is never written. (The original writes body_pos of its one model.)
class PlacedModel {
 public:
  PlacedModel(const mjModel& shared, const SceneIds& ids);
  PlacedModel(const PlacedModel&) = delete;
  PlacedModel& operator=(const PlacedModel&) = delete;

  /// fixtures: [2, 7], position and quaternion wxyz of cabinet and stove.
  void place(const double* fixtures);
  void show_burner(bool visible);
  mjVisual& visual() { return model_.vis; }
  /// Data for this model; MuJoCo's own function would make it too small.
  Mujoco::Data make_data(const Mujoco& mujoco) const;
  const mjModel* get() const { return &model_; }

 private:
  mjModel model_;
  const SceneIds& ids_;
  int nbvh_;
  std::vector<mjtNum> body_pos_, body_quat_;
  std::vector<float> site_rgba_;
};

}  // namespace dsrl::libero
