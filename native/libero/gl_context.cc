#include "libero/gl_context.h"

#include <dlfcn.h>

#include <mutex>

#include "libero/error.h"
#include "libero/plugin.h"

namespace dsrl::libero {
namespace {

bool is_visible(const char* symbol) {
  return dlsym(RTLD_DEFAULT, symbol) != nullptr;
}

[[noreturn]] void refuse(const std::string& message) {
  throw Error("ERR_DSRL_LIBERO_GL", message);
}

std::shared_ptr<const GlLibrary> open_first(int32_t gl) {
  const bool osmesa_is_in_use = is_visible("OSMesaGetProcAddress");
  if (gl == DSRL_LIBERO_GL_OSMESA || (gl == DSRL_LIBERO_GL_AUTO && osmesa_is_in_use)) {
    return open_osmesa();
  }
  if (osmesa_is_in_use) refuse("this process draws with OSMesa already, and cannot with EGL too");
  if (gl == DSRL_LIBERO_GL_EGL) return open_egl();
  std::string reason;
  try {
    return open_egl();
  } catch (const Error& error) {
    reason = error.what();
  }
  try {
    return open_osmesa();
  } catch (const Error& error) {
    refuse("nothing can draw pictures: " + reason + "; " + error.what());
  }
}

}  // namespace

std::shared_ptr<const GlLibrary> GlLibrary::open(int32_t gl) {
  static std::mutex mutex;
  static std::shared_ptr<const GlLibrary> in_use;
  const std::lock_guard lock(mutex);
  if (in_use == nullptr) return in_use = open_first(gl);
  const char* wanted = gl == DSRL_LIBERO_GL_EGL ? "EGL" : "OSMesa";
  if (gl != DSRL_LIBERO_GL_AUTO && in_use->name() != wanted) {
    refuse("this process draws with " + in_use->name() + " already, and cannot with " + wanted +
           " too");
  }
  return in_use;
}

SharedGlLibrary::SharedGlLibrary(const char* what, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    name_ = name;
    library_ = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library_ != nullptr) return;
  }
  refuse(std::string(what) + " is not installed: " + dlerror());
}

void* SharedGlLibrary::symbol(const char* name) const {
  if (void* found = dlsym(library_, name)) return found;
  refuse(std::string(name_) + " lacks " + name);
}

void SharedGlLibrary::make_visible() const {
  dlopen(name_, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
}

}  // namespace dsrl::libero
