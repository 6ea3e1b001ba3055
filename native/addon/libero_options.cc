#include "addon/libero_options.h"

#include <string>

#include "addon/fields.h"
#include "addon/settings.h"

namespace dsrl::addon {
namespace {

LiberoObject object_of(const Napi::Object& objects, const char* name) {
  const Napi::Object object = object_field(objects, name);
  return {text(object, "body"), texts(object, "geoms")};
}

LiberoModel model_of(const Napi::Object& bundle) {
  const Napi::Object robot = object_field(bundle, "robot"),
                     controller = object_field(bundle, "controller");
  const Napi::Object objects = object_field(bundle, "objects"),
                     fixtures = object_field(bundle, "fixtures");
  const Napi::Object burner = object_field(bundle, "stove_burner");
  LiberoModel model;
  model.arm_joints = texts(robot, "arm_joints");
  model.arm_actuators = texts(robot, "arm_actuators");
  model.gripper_joints = texts(robot, "gripper_joints");
  model.gripper_actuators = texts(robot, "gripper_actuators");
  model.grip_site = text(robot, "grip_site");
  model.hand_body = text(robot, "hand_body");
  model.init_qpos = numbers<double>(robot, "init_qpos");
  model.init_gripper_qpos = numbers<double>(robot, "init_gripper_qpos");
  model.target = object_of(objects, "target");
  model.goal = object_of(objects, "goal");
  model.cabinet = text(fixtures, "cabinet");
  model.stove = text(fixtures, "stove");
  model.burner_joint = text(burner, "joint");
  model.burner_site = text(burner, "site");
  model.burner_visible_from = number(burner, "visible_from");
  model.input_min = numbers<double>(controller, "input_min");
  model.input_max = numbers<double>(controller, "input_max");
  model.output_min = numbers<double>(controller, "output_min");
  model.output_max = numbers<double>(controller, "output_max");
  model.kp = numbers<double>(controller, "kp");
  model.kd = numbers<double>(controller, "kd");
  model.nullspace_stiffness = number(controller, "nullspace_stiffness");
  model.gripper_speed = number(controller, "gripper_speed");
  model.gripper_signs = numbers<double>(controller, "gripper_signs");
  model.control_freq = number(controller, "control_freq");
  model.substeps = integer(controller, "substeps");
  return model;
}

}  // namespace

LiberoOptions libero_options(const Napi::Object& options) {
  LiberoOptions result;
  result.model = model_of(object_field(options, "model"));
  result.plugin_folder = text(options, "pluginFolder");
  result.library = text(options, "library");
  result.scene = text(options, "scene");
  result.scene_cache = text(options, "sceneCache");
  result.drawn_scene = text(options, "drawnScene");
  result.drawn_cache = text(options, "drawnCache");
  result.init_states = text(options, "initStates");
  result.unevaluated_states = boolean(options, "unevaluatedStates");
  result.num_envs = integer(options, "numEnvs");
  result.seed = seed_argument(options.Get("seed"));
  const Napi::Object cameras = object_field(options, "cameras");
  const Napi::Array names = cameras.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).ToString().Utf8Value();
    result.cameras.emplace(name, text(cameras, name.c_str()));
  }
  result.image_size = integer(options, "imageSize");
  result.film_camera = text(options, "filmCamera");
  result.frame_size = integer(options, "frameSize");
  result.gl = choice<int32_t>(options, "gl",
                              {{"auto", DSRL_LIBERO_GL_AUTO},
                               {"egl", DSRL_LIBERO_GL_EGL},
                               {"osmesa", DSRL_LIBERO_GL_OSMESA}});
  result.msaa = integer(options, "msaa");
  result.threads = integer(options, "threads");
  result.allow_mujoco_drift = boolean(options, "allowMujocoDrift");
  result.cabinet_pose = numbers<double>(options, "cabinetPose");
  result.stove_pose = numbers<double>(options, "stovePose");
  return result;
}

}  // namespace dsrl::addon
