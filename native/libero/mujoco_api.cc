#include "libero/mujoco_api.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace dsrl::libero {

thread_local Interception* current_interception = nullptr;

namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error("ERR_DSRL_LIBERO_MUJOCO", message);
}

void on_error(const char* message) {
  if (current_interception == nullptr) {
    std::fprintf(stderr, "MuJoCo: %s\n", message);
    std::abort();
  }
  std::snprintf(current_interception->message, sizeof current_interception->message, "MuJoCo: %s",
                message);
  std::longjmp(current_interception->back, 1);
}

// MuJoCo would write MUJOCO_LOG.TXT into the working folder. What matters of its warnings is
// counted in mjData.
void on_warning(const char*) {}

constexpr char digit(int number) {
  return static_cast<char>('0' + number % 10);
}
static_assert(mjVERSION_HEADER < 1000, "the number of the version is read as three digits");
constexpr char kCompiled[] = {digit(mjVERSION_HEADER / 100), '.', digit(mjVERSION_HEADER / 10), '.',
                              digit(mjVERSION_HEADER),       0};

void* find(void* library, const char* name, const std::string& path) {
  void* symbol = dlsym(library, name);
  if (symbol == nullptr) refuse(path + " lacks " + name + ": it is no complete MuJoCo");
  return symbol;
}

/// The arena of a LIBERO scene is 1.3 GB of addresses, hardly any of which are ever touched. Linux
/// lets nobody fork who could not copy such a mapping: with sixteen environments no child process
/// (ffmpeg, a worker of the original) could be started on a machine of 16 GB. No child looks there.
void advise_arena(const mjData& data, int advice) {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(data.arena);
  const std::uintptr_t first = (begin + page - 1) / page * page;
  const std::uintptr_t end = (begin + static_cast<std::uintptr_t>(data.narena)) / page * page;
  if (first < end) madvise(reinterpret_cast<void*>(first), end - first, advice);
}

}  // namespace

const char* compiled_mujoco() {
  return kCompiled;
}

Mujoco Mujoco::open(const std::string& path) {
  // Local: a program that has another MuJoCo in it keeps its own.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) refuse("MuJoCo cannot be opened: " + std::string(dlerror()));
  Mujoco api;
#define DSRL_MUJOCO_FIND(name) \
  api.name = reinterpret_cast<decltype(api.name)>(find(library, #name, path));
  DSRL_MUJOCO_FUNCTIONS(DSRL_MUJOCO_FIND)
#undef DSRL_MUJOCO_FIND
  if (api.mj_version() != mjVERSION_HEADER) {
    refuse(path + " is MuJoCo " + api.mj_versionString() + ", and this plugin was compiled for " +
           compiled_mujoco());
  }
  *static_cast<void (**)(const char*)>(find(library, "mju_user_error", path)) = on_error;
  *static_cast<void (**)(const char*)>(find(library, "mju_user_warning", path)) = on_warning;
  return api;
}

Mujoco::Data Mujoco::make_data(const mjModel* model) const {
  mjData* data = nullptr;
  intercept([&] { data = mj_makeData(model); });
  if (data == nullptr) throw std::bad_alloc();
  advise_arena(*data, MADV_DONTFORK);
  return Data(data, DeleteData{this});
}

void Mujoco::DeleteData::operator()(mjData* data) const {
  advise_arena(*data, MADV_DOFORK);  // its pages may become anybody's
  mujoco->mj_deleteData(data);
}

}  // namespace dsrl::libero
