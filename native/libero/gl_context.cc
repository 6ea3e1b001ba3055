#include "libero/gl_context.h"

#include <dlfcn.h>

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

}  // namespace

void* open_gl_library(const char* what, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (void* library = dlopen(name, RTLD_NOW | RTLD_GLOBAL)) return library;
  }
  refuse(std::string(what) + " is not installed: " + dlerror());
}

void* gl_symbol(void* library, const char* name) {
  if (void* symbol = dlsym(library, name)) return symbol;
  refuse(std::string("the library of OpenGL lacks ") + name);
}

std::unique_ptr<GlLibrary> GlLibrary::open(int32_t gl) {
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

}  // namespace dsrl::libero
