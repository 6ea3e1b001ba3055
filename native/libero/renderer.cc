#include "libero/renderer.h"

#include <algorithm>

#include "libero/culling.h"

namespace dsrl::libero {
namespace {

constexpr int kMaxGeoms = 1000;  // as robosuite

}  // namespace

Renderer::Renderer(const DrawnScene& scene, const GlLibrary& library)
    : scene_(scene),
      context_(library.make_context()),
      model_(scene.model, scene.ids),
      data_(model_.make_data(scene.mujoco)) {
  const Mujoco& mujoco = scene.mujoco;
  mjVisual& visual = model_.visual();
  visual.global.offwidth = std::max(scene.size, scene.film_size);
  visual.global.offheight = visual.global.offwidth;
  visual.quality.offsamples = scene.msaa;
  mujoco.mjv_defaultOption(&option_);
  option_.geomgroup[0] = 0;  // the collision geoms
  mujoco.mjv_defaultCamera(&camera_);
  camera_.type = mjCAMERA_FIXED;
  mujoco.mjv_defaultScene(&objects_);
  mujoco.mjr_defaultContext(&render_);
  try {
    intercept([&] {
      mujoco.mjv_makeScene(model_.get(), &objects_, kMaxGeoms);
      mujoco.mjr_makeContext(model_.get(), &render_, mjFONTSCALE_150);
      mujoco.mjr_setBuffer(mjFB_OFFSCREEN, &render_);
    });
    if (render_.offSamples != scene.msaa) {
      throw Error("ERR_DSRL_LIBERO_GL",
                  library.name() + " draws " + std::to_string(render_.offSamples) +
                      " samples a pixel and not " + std::to_string(scene.msaa));
    }
  } catch (const Error& error) {
    mujoco.mjr_freeContext(&render_);
    mujoco.mjv_freeScene(&objects_);
    throw Error("ERR_DSRL_LIBERO_GL", error.what());
  }
}

Renderer::~Renderer() {
  scene_.mujoco.mjr_freeContext(&render_);
  scene_.mujoco.mjv_freeScene(&objects_);
}

void Renderer::draw(const Pose& pose, int camera, int size, std::span<uint8_t> picture) {
  const Mujoco& mujoco = scene_.mujoco;
  model_.place(pose.fixtures);
  model_.show_burner(pose.burner);
  camera_.fixedcamid = camera;
  std::copy(pose.qpos.begin(), pose.qpos.end(), data_->qpos);
  const mjrRect viewport{0, 0, size, size};
  intercept([&] {
    mujoco.mj_kinematics(model_.get(), data_.get());
    mujoco.mj_comPos(model_.get(), data_.get());
    mujoco.mj_camlight(model_.get(), data_.get());
    mujoco.mjv_updateScene(model_.get(), data_.get(), &option_, nullptr, &camera_, mjCAT_ALL,
                           &objects_);
    if (!scene_.mirrors) {
      for (int i = 0; i < objects_.ngeom; ++i) objects_.geoms[i].reflectance = 0;
    }
    drop_unseen(*model_.get(), *data_, camera, size, objects_);
    mujoco.mjr_render(viewport, &objects_, &render_);
    mujoco.mjr_readPixels(picture.data(), nullptr, viewport, &render_);
  });
  // By 180 degrees: the last pixel first.
  const size_t pixels = picture.size() / 3;
  for (size_t i = 0; i < pixels / 2; ++i) {
    std::swap_ranges(picture.begin() + 3 * i, picture.begin() + 3 * i + 3,
                     picture.begin() + 3 * (pixels - 1 - i));
  }
}

}  // namespace dsrl::libero
