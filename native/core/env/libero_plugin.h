#pragma once

#include <memory>
#include <string>

#include "libero/plugin.h"

namespace dsrl {

/// The plugin compiled for the MuJoCo that `library` is, out of `folder`; neither is ever closed.
///
/// LIBERO's task 5 breaks from MuJoCo 3.4 on and its pictures change with 3.3.3, so that only
/// 3.3.0 to 3.3.2 are opened, unless `allow_drift` says otherwise in so many words; and in any case
/// only a version that a plugin was compiled for, whose structs it therefore knows.
/// Throws ERR_DSRL_LIBERO_MUJOCO or ERR_DSRL_LIBERO_PLUGIN.
const DsrlLiberoPlugin& open_libero_plugin(const std::string& folder, const std::string& library,
                                           bool allow_drift);

/// An open world of the plugin. Its calls throw what the plugin reports.
class LiberoWorld {
 public:
  LiberoWorld(const DsrlLiberoPlugin& plugin, const DsrlLiberoScene& scene,
              const DsrlLiberoOptions& options);
  LiberoWorld(const LiberoWorld&) = delete;
  LiberoWorld& operator=(const LiberoWorld&) = delete;
  ~LiberoWorld();

  DsrlLiberoSizes sizes() const { return plugin_.sizes(world_); }
  void restore(int32_t env, const double* init, const double* fixtures);
  void step_chunk(const double* actions, int32_t chunk, const int32_t* limit, uint8_t* success,
                  int32_t* executed, int32_t* failure);
  void observe(double* states);
  void draw(uint8_t* const* pictures);
  void film(uint8_t* const* frames);
  void save(int32_t env, double* saved) const;
  void load(int32_t env, const double* saved);
  std::string renderer() const { return plugin_.renderer(world_); }

 private:
  const DsrlLiberoPlugin& plugin_;
  DsrlLiberoWorld* world_ = nullptr;
};

}  // namespace dsrl
