#include "libero/painter.h"

#include <algorithm>

namespace dsrl::libero {
namespace {

Mujoco::Model load_reduced(const Scene& scene, const DsrlLiberoScene& files) {
  if (*files.drawn_xml == 0) return scene.mujoco.own(nullptr);
  Mujoco::Model reduced = load_scene(scene.mujoco, files.drawn_xml, files.drawn_cache);
  if (reduced->nq != scene.model->nq || reduced->nbody != scene.model->nbody) {
    throw Error("ERR_DSRL_LIBERO_BUNDLE",
                std::string(files.drawn_xml) + " has other joints or bodies than the scene");
  }
  return reduced;
}

}  // namespace

Painter::Painter(const Scene& scene, const DsrlLiberoScene& files, const DsrlLiberoOptions& options)
    : reduced_(load_reduced(scene, files)),
      reduced_ids_(reduced_ ? SceneIds::find(scene.mujoco, *reduced_, files) : scene.ids),
      scene_{scene.mujoco,       reduced_ ? *reduced_ : *scene.model,
             reduced_ids_,       options.msaa,
             options.image_size, options.film_size,
             reduced_ == nullptr},
      gl_(options.gl),
      renderers_(static_cast<size_t>(options.threads)),
      drawn_(static_cast<size_t>(options.num_envs) * options.num_cameras),
      current_(static_cast<size_t>(options.num_envs), 0) {
  for (size_t i = 0; i < options.num_cameras; ++i) {
    cameras_.push_back(camera_id(scene.mujoco, scene_.model, options.cameras[i]));
  }
  if (options.film_size > 0) {
    film_camera_ = camera_id(scene.mujoco, scene_.model, options.film_camera);
  }
}

/// That of this thread, made when it is first needed.
Renderer& Painter::renderer(size_t worker) {
  std::unique_ptr<Renderer>& own = renderers_[worker];
  if (own == nullptr) own = std::make_unique<Renderer>(scene_, *library_);
  return *own;
}

void Painter::draw(ThreadPool& threads, const std::vector<std::unique_ptr<Simulation>>& simulations,
                   uint8_t* const* pictures) {
  if (cameras_.empty()) return;
  if (library_ == nullptr) library_ = GlLibrary::open(gl_);
  const auto side = static_cast<size_t>(scene_.size);
  const size_t bytes = side * side * 3;
  threads.run(drawn_.size(), [&](size_t index, size_t worker) {
    const size_t env = index / cameras_.size(), camera = index % cameras_.size();
    std::vector<uint8_t>& picture = drawn_[index];
    if (!current_[env]) {
      picture.resize(bytes);
      renderer(worker).draw(simulations[env]->pose(), cameras_[camera], scene_.size, picture);
    }
    std::copy(picture.begin(), picture.end(), pictures[camera] + env * bytes);
  });
  std::fill(current_.begin(), current_.end(), 1);
}

void Painter::film(ThreadPool& threads, const std::vector<std::unique_ptr<Simulation>>& simulations,
                   uint8_t* const* frames) {
  if (film_camera_ < 0) return;
  if (library_ == nullptr) library_ = GlLibrary::open(gl_);
  const auto side = static_cast<size_t>(scene_.film_size);
  threads.run(simulations.size(), [&](size_t env, size_t worker) {
    if (frames[env] == nullptr) return;
    const std::span<uint8_t> frame(frames[env], side * side * 3);
    renderer(worker).draw(simulations[env]->pose(), film_camera_, scene_.film_size, frame);
  });
}

void Painter::close(ThreadPool& threads) {
  threads.run_on_each([this](size_t, size_t worker) { renderers_[worker].reset(); });
}

}  // namespace dsrl::libero
