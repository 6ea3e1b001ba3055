#include <array>
#include <cstdlib>
#include <mutex>
#include <string>

#include "libero/error.h"
#include "libero/gl_context.h"

namespace dsrl::libero {
namespace {

// Of EGL/egl.h and EGL/eglext.h, which need not be installed.
constexpr int kTrue = 1, kNone = 0x3038;
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
  void* (*get_proc_address)(const char* name);
  // Extensions; null where they are not there.
  unsigned (*query_devices)(int size, void** devices, int* count);
  Display (*platform_display)(unsigned platform, void* native, const int* attributes);
};

[[noreturn]] void refuse(const std::string& message) {
  throw Error("ERR_DSRL_LIBERO_GL", message);
}

template <typename Function>
void find(const SharedGlLibrary& library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(library.symbol(name));
}

Functions find_functions(const SharedGlLibrary& library) {
  Functions egl{};
  find(library, "eglInitialize", egl.initialize);
  find(library, "eglChooseConfig", egl.choose_config);
  find(library, "eglBindAPI", egl.bind_api);
  find(library, "eglCreateContext", egl.create_context);
  find(library, "eglMakeCurrent", egl.make_current);
  find(library, "eglDestroyContext", egl.destroy_context);
  find(library, "eglReleaseThread", egl.release_thread);
  find(library, "eglGetError", egl.get_error);
  find(library, "eglGetProcAddress", egl.get_proc_address);
  egl.query_devices =
      reinterpret_cast<decltype(egl.query_devices)>(egl.get_proc_address("eglQueryDevicesEXT"));
  egl.platform_display = reinterpret_cast<decltype(egl.platform_display)>(
      egl.get_proc_address("eglGetPlatformDisplayEXT"));
  return egl;
}

/// A display of a device, or of none, and the format in which it draws.
struct Target {
  Display display;
  Config config;
};

/// A context that is current in its thread. EGL's calls that make and destroy are serialised: not
/// every driver takes them from several threads at once.
class EglContext : public GlContext {
 public:
  EglContext(const Functions& egl, const Target& target, std::mutex& mutex)
      : egl_(egl), display_(target.display), mutex_(mutex) {
    const std::lock_guard lock(mutex_);
    egl_.bind_api(kOpenGlApi);
    context_ = egl_.create_context(display_, target.config, nullptr, nullptr);
    if (context_ == nullptr) refuse("it makes no context (error " + error() + ")");
    if (egl_.make_current(display_, nullptr, nullptr, context_) != kTrue) {
      const std::string reason = error();
      egl_.destroy_context(display_, context_);
      refuse("its context needs a surface (error " + reason + ")");
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
  explicit Egl(const SharedGlLibrary& library)
      : egl_(find_functions(library)), target_(find_target()) {}

  std::unique_ptr<GlContext> make_context() const override {
    return std::make_unique<EglContext>(egl_, target_, mutex_);
  }
  std::string name() const override { return "EGL"; }

 private:
  /// The first device that makes a context, and where none does no device: drivers list GPUs
  /// before Mesa's software device, and a device that this user may not open among them.
  Target find_target() const {
    if (egl_.platform_display == nullptr) refuse("EGL has no displays without a screen");
    std::array<void*, kMaxDevices> devices{};
    int count = 0;
    if (egl_.query_devices != nullptr &&
        egl_.query_devices(static_cast<int>(devices.size()), devices.data(), &count) != kTrue) {
      count = 0;
    }
    int first = 0, last = count;
    const char* chosen = std::getenv("MUJOCO_EGL_DEVICE_ID");  // MuJoCo's and robosuite's own
    const bool is_chosen = chosen != nullptr && *chosen != 0;
    if (is_chosen) {
      first = std::atoi(chosen);
      last = first + 1;
      if (first < 0 || first >= count) {
        refuse("MUJOCO_EGL_DEVICE_ID=" + std::string(chosen) + ": EGL has " +
               std::to_string(count) + " devices");
      }
    }
    std::string reasons;
    Target target{};
    for (int i = first; i < last; ++i) {
      const std::string name = "device " + std::to_string(i);
      if (can_draw(kPlatformDevice, devices[static_cast<size_t>(i)], name, target, reasons)) {
        return target;
      }
    }
    if (!is_chosen && can_draw(kPlatformSurfaceless, nullptr, "no device", target, reasons)) {
      return target;
    }
    refuse("EGL cannot draw without a screen (" + reasons + ")");
  }

  /// Tries a display; what is wrong with it is added to `reasons`. A display is never terminated:
  /// others of this process may use the same.
  bool can_draw(unsigned platform, void* native, const std::string& name, Target& target,
                std::string& reasons) const {
    try {
      target.display = egl_.platform_display(platform, native, nullptr);
      if (target.display == nullptr) refuse("it has no display");
      if (egl_.initialize(target.display, nullptr, nullptr) != kTrue) {
        refuse("its display does not start (error " + std::to_string(egl_.get_error()) + ")");
      }
      target.config = find_config(target.display);
      const EglContext trial(egl_, target, mutex_);
      return true;
    } catch (const Error& error) {
      reasons += (reasons.empty() ? "" : "; ") + name + ": " + error.what();
      return false;
    }
  }

  Config find_config(Display display) const {
    const int wanted[] = {
        kRedSize,     8,           kGreenSize,       8,          kBlueSize,       8,
        kAlphaSize,   8,           kDepthSize,       24,         kStencilSize,    8,
        kSurfaceType, kPbufferBit, kColorBufferType, kRgbBuffer, kRenderableType, kOpenGlBit,
        kNone};
    Config config = nullptr;
    int count = 0;
    if (egl_.choose_config(display, wanted, &config, 1, &count) != kTrue || count < 1) {
      refuse("it offers no format with 24 bits of depth");
    }
    return config;
  }

  mutable std::mutex mutex_;
  Functions egl_;
  Target target_;
};

}  // namespace

std::shared_ptr<const GlLibrary> open_egl() {
  const SharedGlLibrary library("EGL", {"libEGL.so.1", "libEGL.so"});
  auto egl = std::make_shared<const Egl>(library);
  library.make_visible();
  return egl;
}

}  // namespace dsrl::libero
