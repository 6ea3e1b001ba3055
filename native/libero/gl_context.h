#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>

namespace dsrl::libero {

/// An OpenGL context without a window. It is made, used and destroyed in one thread, in which it is
/// current all its life.
class GlContext {
 public:
  virtual ~GlContext() = default;
};

/// Makes contexts of one kind, for any thread. The library behind it stays in the process.
class GlLibrary {
 public:
  virtual ~GlLibrary() = default;
  virtual std::unique_ptr<GlContext> make_context() const = 0;
  virtual std::string name() const = 0;

  /// gl: DSRL_LIBERO_GL_AUTO takes EGL, and OSMesa where EGL has no device.
  ///
  /// A process draws in one way only: MuJoCo looks the functions of OpenGL up once, in whichever of
  /// the two libraries is visible in the process.
  /// Throws ERR_DSRL_LIBERO_GL, saying why each that was tried cannot be used.
  static std::unique_ptr<GlLibrary> open(int32_t gl);
};

std::unique_ptr<GlLibrary> open_egl();
std::unique_ptr<GlLibrary> open_osmesa();

/// Opens a library of OpenGL under the first of its names, where MuJoCo finds it too.
void* open_gl_library(const char* what, std::initializer_list<const char*> names);
/// A function of it. Throws ERR_DSRL_LIBERO_GL.
void* gl_symbol(void* library, const char* name);

}  // namespace dsrl::libero
