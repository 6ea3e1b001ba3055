#include <array>
#include <mutex>
#include <vector>

#include "libero/error.h"
#include "libero/gl_context.h"

namespace dsrl::libero {
namespace {

// Of GL/osmesa.h and GL/gl.h, which need not be installed.
constexpr unsigned kRgba = 0x1908, kUnsignedByte = 0x1401;
constexpr int kSide = 16;  // of the buffer that nobody looks at: MuJoCo draws into its own

struct Functions {
  void* (*create)(unsigned format, int depth, int stencil, int accumulation, void* shared);
  unsigned char (*make_current)(void* context, void* buffer, unsigned type, int width, int height);
  void (*destroy)(void* context);
};

class OsMesaContext : public GlContext {
 public:
  explicit OsMesaContext(const Functions& functions)
      : functions_(functions), context_(functions.create(kRgba, 24, 8, 0, nullptr)) {
    if (context_ == nullptr ||
        !functions_.make_current(context_, buffer_.data(), kUnsignedByte, kSide, kSide)) {
      throw Error("ERR_DSRL_LIBERO_GL", "OSMesa makes no context");
    }
  }
  ~OsMesaContext() override { functions_.destroy(context_); }

 private:
  Functions functions_;
  void* context_;
  std::vector<unsigned char> buffer_ = std::vector<unsigned char>(kSide * kSide * 4);
};

class OsMesa : public GlLibrary {
 public:
  explicit OsMesa(const SharedGlLibrary& library) {
    functions_.create =
        reinterpret_cast<decltype(functions_.create)>(library.symbol("OSMesaCreateContextExt"));
    functions_.make_current =
        reinterpret_cast<decltype(functions_.make_current)>(library.symbol("OSMesaMakeCurrent"));
    functions_.destroy =
        reinterpret_cast<decltype(functions_.destroy)>(library.symbol("OSMesaDestroyContext"));
  }
  std::unique_ptr<GlContext> make_context() const override {
    return std::make_unique<OsMesaContext>(functions_);
  }
  std::string name() const override { return "OSMesa"; }

 private:
  Functions functions_{};
};

}  // namespace

std::shared_ptr<const GlLibrary> open_osmesa() {
  const SharedGlLibrary library("OSMesa", {"libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so"});
  auto osmesa = std::make_shared<const OsMesa>(library);
  osmesa->make_context();
  library.make_visible();
  return osmesa;
}

}  // namespace dsrl::libero
