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

  /// gl: DSRL_LIBERO_GL_AUTO takes EGL, and OSMesa where EGL makes no context.
  ///
  /// A process draws in one way only: MuJoCo looks the functions of OpenGL up once, in whichever of
  /// the two libraries is visible in the process. So there is one of these a process, and with it
  /// one EGLDisplay.
  /// Throws ERR_DSRL_LIBERO_GL, saying why each that was tried cannot be used.
  static std::shared_ptr<const GlLibrary> open(int32_t gl);
};

/// Each makes a context first, and is visible in the process only where that worked: an EGL
/// without a device would otherwise be what MuJoCo finds when OSMesa draws.
std::shared_ptr<const GlLibrary> open_egl();
std::shared_ptr<const GlLibrary> open_osmesa();

/// A library of OpenGL under the first of its names that there is. It stays in the process.
class SharedGlLibrary {
 public:
  /// Throws ERR_DSRL_LIBERO_GL; what: "EGL".
  SharedGlLibrary(const char* what, std::initializer_list<const char*> names);
  /// A function of it. Throws ERR_DSRL_LIBERO_GL.
  void* symbol(const char* name) const;
  /// From now on MuJoCo finds it.
  void make_visible() const;

 private:
  const char* name_ = nullptr;
  void* library_ = nullptr;
};

}  // namespace dsrl::libero
