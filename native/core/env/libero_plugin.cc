#include "core/env/libero_plugin.h"

#include <dlfcn.h>

#include <filesystem>

#include "core/error.h"

namespace dsrl {
namespace {

constexpr const char* kBenchmarkVersions[] = {"3.3.0", "3.3.1", "3.3.2"};

std::string mujoco_version(const std::string& library) {
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    throw Error("ERR_DSRL_LIBERO_MUJOCO", "MuJoCo cannot be opened: " + std::string(dlerror()));
  }
  const auto version = reinterpret_cast<const char* (*)()>(dlsym(handle, "mj_versionString"));
  if (version == nullptr) throw Error("ERR_DSRL_LIBERO_MUJOCO", library + " is no MuJoCo");
  return version();
}

/// Runs a call of the plugin and throws what it reports.
template <typename Call>
void checked(Call call) {
  DsrlLiberoError error{};
  if (call(&error) != 0) throw Error(error.code, error.message);
}

}  // namespace

const DsrlLiberoPlugin& open_libero_plugin(const std::string& folder, const std::string& library,
                                           bool allow_drift) {
  const std::string version = mujoco_version(library);
  bool benchmark = false;
  for (const char* known : kBenchmarkVersions) benchmark = benchmark || version == known;
  if (!benchmark && !allow_drift) {
    throw Error("ERR_DSRL_LIBERO_MUJOCO",
                library + " is MuJoCo " + version +
                    ", and LIBERO is what it was published as with 3.3.0 to 3.3.2 only");
  }
  const std::string file = folder + "/dsrl_libero_mujoco" + version + ".so";
  if (!std::filesystem::exists(file)) {
    throw Error("ERR_DSRL_LIBERO_PLUGIN",
                "no plugin was compiled for MuJoCo " + version + ": there is no " + file);
  }
  void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    throw Error("ERR_DSRL_LIBERO_PLUGIN", "the plugin cannot be opened: " + std::string(dlerror()));
  }
  const auto entry =
      reinterpret_cast<decltype(&dsrl_libero_plugin)>(dlsym(handle, "dsrl_libero_plugin"));
  const DsrlLiberoPlugin* plugin = entry == nullptr ? nullptr : entry();
  if (plugin == nullptr || plugin->size != sizeof *plugin || plugin->abi != DSRL_LIBERO_ABI) {
    throw Error("ERR_DSRL_LIBERO_PLUGIN", file + " is of another version of this package");
  }
  return *plugin;
}

LiberoWorld::LiberoWorld(const DsrlLiberoPlugin& plugin, const DsrlLiberoScene& scene,
                         const DsrlLiberoOptions& options)
    : plugin_(plugin) {
  checked([&](auto* error) { return plugin_.open(&scene, &options, &world_, error); });
}

LiberoWorld::~LiberoWorld() {
  plugin_.close(world_);
}

void LiberoWorld::restore(int32_t env, const double* init, const double* fixtures) {
  checked([&](auto* error) { return plugin_.restore(world_, env, init, fixtures, error); });
}

void LiberoWorld::step_chunk(const double* actions, int32_t chunk, const int32_t* limit,
                             uint8_t* success, int32_t* executed, int32_t* failure) {
  checked([&](auto* error) {
    return plugin_.step_chunk(world_, actions, chunk, limit, success, executed, failure, error);
  });
}

void LiberoWorld::observe(double* states) {
  checked([&](auto* error) { return plugin_.observe(world_, states, error); });
}

void LiberoWorld::draw(uint8_t* const* pictures) {
  checked([&](auto* error) { return plugin_.draw(world_, pictures, error); });
}

void LiberoWorld::film(uint8_t* const* frames) {
  checked([&](auto* error) { return plugin_.film(world_, frames, error); });
}

void LiberoWorld::save(int32_t env, double* saved) const {
  checked([&](auto* error) { return plugin_.save(world_, env, saved, error); });
}

void LiberoWorld::load(int32_t env, const double* saved) {
  checked([&](auto* error) { return plugin_.load(world_, env, saved, error); });
}

}  // namespace dsrl
