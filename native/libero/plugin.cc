#include "libero/plugin.h"

#include <cstdio>
#include <new>

#include "libero/world.h"

struct DsrlLiberoWorld {
  dsrl::libero::World world;
};

namespace dsrl::libero {
namespace {

void report(DsrlLiberoError* error, const char* code, const char* message) {
  std::snprintf(error->code, sizeof error->code, "%s", code);
  std::snprintf(error->message, sizeof error->message, "%s", message);
}

/// No exception may leave the plugin: the other side may be compiled with another library.
template <typename Body>
int guarded(DsrlLiberoError* error, Body body) noexcept {
  try {
    body();
    return 0;
  } catch (const Error& failure) {
    report(error, failure.code().c_str(), failure.what());
  } catch (const std::bad_alloc&) {
    report(error, "ERR_DSRL_OOM", "out of memory");
  } catch (const std::exception& failure) {
    report(error, "ERR_DSRL_NATIVE", failure.what());
  } catch (...) {
    report(error, "ERR_DSRL_NATIVE", "unknown failure in the LIBERO plugin");
  }
  return 1;
}

int open(const DsrlLiberoScene* scene, const DsrlLiberoOptions* options, DsrlLiberoWorld** world,
         DsrlLiberoError* error) {
  return guarded(error, [&] {
    if (scene->size != sizeof *scene || options->size != sizeof *options) {
      throw Error("ERR_DSRL_LIBERO_PLUGIN", "the plugin is of another version of this package");
    }
    *world = new DsrlLiberoWorld{World(*scene, *options)};
  });
}

void close(DsrlLiberoWorld* world) {
  delete world;
}

DsrlLiberoSizes sizes(const DsrlLiberoWorld* world) {
  return world->world.sizes();
}

int restore(DsrlLiberoWorld* world, int32_t env, const double* init, const double* fixtures,
            DsrlLiberoError* error) {
  return guarded(error, [&] { world->world.restore(env, init, fixtures); });
}

int step_chunk(DsrlLiberoWorld* world, const double* actions, int32_t chunk, const int32_t* limit,
               uint8_t* success, int32_t* executed, int32_t* failure, DsrlLiberoError* error) {
  return guarded(
      error, [&] { world->world.step_chunk(actions, chunk, limit, success, executed, failure); });
}

int observe(DsrlLiberoWorld* world, double* states, DsrlLiberoError* error) {
  return guarded(error, [&] { world->world.observe(states); });
}

int draw(DsrlLiberoWorld* world, uint8_t* const* pictures, DsrlLiberoError* error) {
  return guarded(error, [&] { world->world.draw(pictures); });
}

int film(DsrlLiberoWorld* world, uint8_t* const* frames, DsrlLiberoError* error) {
  return guarded(error, [&] { world->world.film(frames); });
}

const char* renderer(const DsrlLiberoWorld* world) {
  return world->world.renderer();
}

int save(DsrlLiberoWorld* world, int32_t env, double* saved, DsrlLiberoError* error) {
  return guarded(error, [&] { world->world.save(env, saved); });
}

int load(DsrlLiberoWorld* world, int32_t env, const double* saved, DsrlLiberoError* error) {
  return guarded(error, [&] { world->world.load(env, saved); });
}

}  // namespace
}  // namespace dsrl::libero

extern "C" __attribute__((visibility("default"))) const DsrlLiberoPlugin* dsrl_libero_plugin() {
  using namespace dsrl::libero;
  static const DsrlLiberoPlugin plugin{sizeof(DsrlLiberoPlugin),
                                       DSRL_LIBERO_ABI,
                                       compiled_mujoco(),
                                       open,
                                       close,
                                       sizes,
                                       restore,
                                       step_chunk,
                                       observe,
                                       draw,
                                       film,
                                       save,
                                       load,
                                       renderer};
  return &plugin;
}
