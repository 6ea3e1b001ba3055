#include <array>
#include <cstdlib>
#include <mutex>
#include <string>

#include "libero/error.h"
#include "libero/gl_context.h"

namespace dsrl::libero {
namespace {

// Of EGL/egl.h and EGL/eglext.h, which need not be installed.
constexpr int kTrue = 1, kNone = 0x3038, kExtensions = 0x3055;
constexpr int kRedSize = 0x3024, kGreenSize = 0x3023, kBlueSize = 0x3022, kAlphaSize = 0x3021;
constexpr int kDepthSize = 0x3025, kStencilSize = 0x3026, kColorBufferType = 0x303F;
constexpr int kRgbBuffer = 0x308E, kSurfaceType = 0x3033, kPbufferBit = 1;
constexpr int kRenderableType = 0x3040, kOpenGlBit = 8, kOpenGlApi = 0x30A2;
constexpr int kPlatformDevice = 0x313F, kPlatformSurfaceless = 0x31DD;
constexpr size_t kMaxDevices = 32;

using Display = void*;
using Config = void*;
using Context = void*;

struct Functions {
  int (*initialize)(Display, int* major, int* minor);
  int (*choose_config)(Display, const int* wanted, Config*, int size, int* count);
  unsigned (*bind_api)(unsigned api);
  Context (*create_context)(Display, Config, Context shared, const int* attributes);
  unsigned (*make_current)(Display, void* draw, void* read, Context);
  unsigned (*destroy_context)(Display, Context);
  unsigned (*release_thread)();
  int (*get_error)();
  const char* (*query_string)(Display, int name);
  void* (*get_proc_address)(const char* name);
  // Extensions; null where they are not there.
  unsigned (*query_devices)(int size, void** devices, int* count);
  Display (*platform_display)(unsigned platform, void* native, const int* attributes);
};

[[noreturn]] void refuse(const std::string& message) {
  throw Error("ERR_DSRL_LIBERO_GL", message);
}

template <typename Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(gl_symbol(library, name));
}

Functions find_functions(void* library) {
  Functions egl{};
  find(library, "eglInitialize", egl.initialize);
  find(library, "eglChooseConfig", egl.choose_config);
  find(library, "eglBindAPI", egl.bind_api);
  find(library, "eglCreateContext", egl.create_context);
  find(library, "eglMakeCurrent", egl.make_current);
  find(library, "eglDestroyContext", egl.destroy_context);
  find(library, "eglReleaseThread", egl.release_thread);
  find(library, "eglGetError", egl.get_error);
  find(library, "eglQueryString", egl.query_string);
  find(library, "eglGetProcAddress", egl.get_proc_address);
  egl.query_devices =
      reinterpret_cast<decltype(egl.query_devices)>(egl.get_proc_address("eglQueryDevicesEXT"));
  egl.platform_display = reinterpret_cast<decltype(egl.platform_display)>(
      egl.get_proc_address("eglGetPlatformDisplayEXT"));
  return egl;
}

/// A context that is current in its thread. EGL's calls that make and destroy are serialised: not
/// every driver takes them from several threads at once.
class EglContext : public GlContext {
 public:
  EglContext(const Functions& egl, Display display, Config config, std::mutex& mutex)
      : egl_(egl), display_(display), mutex_(mutex) {
    const std::lock_guard lock(mutex_);
    egl_.bind_api(kOpenGlApi);
    context_ = egl_.create_context(display_, config, nullptr, nullptr);
    if (context_ == nullptr) refuse("EGL makes no context (error " + error() + ")");
    if (egl_.make_current(display_, nullptr, nullptr, context_) != kTrue) {
      const std::string reason = error();
      egl_.destroy_context(display_, context_);
      refuse("EGL's context needs a surface (error " + reason + ")");
    }
  }
  ~EglContext() override {
    const std::lock_guard lock(mutex_);
    egl_.make_current(display_, nullptr, nullptr, nullptr);
    egl_.destroy_context(display_, context_);
    egl_.release_thread();
  }

 private:
  std::string error() const { return std::to_string(egl_.get_error()); }

  const Functions& egl_;
  Display display_;
  std::mutex& mutex_;
  Context context_ = nullptr;
};

class Egl : public GlLibrary {
 public:
  explicit Egl(void* library) : egl_(find_functions(library)), display_(find_display()) {
    const int wanted[] = {
        kRedSize,     8,           kGreenSize,       8,          kBlueSize,       8,
        kAlphaSize,   8,           kDepthSize,       24,         kStencilSize,    8,
        kSurfaceType, kPbufferBit, kColorBufferType, kRgbBuffer, kRenderableType, kOpenGlBit,
        kNone};
    int count = 0;
    if (egl_.choose_config(display_, wanted, &config_, 1, &count) != kTrue || count < 1) {
      refuse("EGL offers no format with 24 bits of depth");
    }
  }

  std::unique_ptr<GlContext> make_context() const override {
    return std::make_unique<EglContext>(egl_, display_, config_, mutex_);
  }
  std::string name() const override { return "EGL"; }

 private:
  Display find_display() const {
    if (egl_.platform_display == nullptr) refuse("EGL has no displays without a screen");
    std::array<void*, kMaxDevices> devices{};
    int count = 0;
    if (egl_.query_devices != nullptr) {
      egl_.query_devices(static_cast<int>(devices.size()), devices.data(), &count);
    }
    int first = 0, last = count;
    // MuJoCo's and robosuite's own variable names one device; otherwise the first that works,
    // and drivers list GPUs before Mesa's software device.
    if (const char* chosen = std::getenv("MUJOCO_EGL_DEVICE_ID"); chosen != nullptr && *chosen) {
      first = std::atoi(chosen);
      last = first + 1;
      if (first < 0 || first >= count) {
        refuse("MUJOCO_EGL_DEVICE_ID=" + std::string(chosen) + ": EGL has " +
               std::to_string(count) + " devices");
      }
    }
    for (int i = first; i < last; ++i) {
      if (Display found = initialized(kPlatformDevice, devices[static_cast<size_t>(i)])) {
        return found;
      }
    }
    if (Display found = initialized(kPlatformSurfaceless, nullptr)) return found;
    refuse("EGL has no device that draws without a screen (" + std::to_string(count) +
           " were listed)");
  }

  /// A display is never terminated: others of this process may use the same.
  Display initialized(unsigned platform, void* native) const {
    Display display = egl_.platform_display(platform, native, nullptr);
    if (display == nullptr || egl_.initialize(display, nullptr, nullptr) != kTrue) return nullptr;
    return display;
  }

  Functions egl_;
  Display display_;
  Config config_ = nullptr;
  mutable std::mutex mutex_;
};

}  // namespace

std::unique_ptr<GlLibrary> open_egl() {
  return std::make_unique<Egl>(open_gl_library("EGL", {"libEGL.so.1", "libEGL.so"}));
}

}  // namespace dsrl::libero
