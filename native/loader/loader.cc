// Opens libtorch before the addon that needs it.
//
// The core addon is linked against libtorch_cpu.so and libc10.so by name only, without a run path:
// where they lie is known when the program runs, not when it is built. Once they are in the process
// the dynamic linker satisfies the core by their names. This file therefore sees no torch header,
// works with every torch, and never closes what it has opened: libtorch starts threads and
// registers destructors that must find its code until the process ends.
//
// Nothing is remembered here. What is loaded is asked of the dynamic linker, so that several worker
// threads, and several copies of this package in one process, agree on the answer.

#define NAPI_VERSION 9
#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <link.h>
#include <node_api.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

constexpr std::string_view kTorchLibrary = "libtorch_cpu.so";

void Check(napi_status status, const char* what) {
  if (status != napi_ok) throw std::runtime_error(std::string("Node-API failed to ") + what);
}

std::string ReadString(napi_env env, napi_value value) {
  size_t length = 0;
  Check(napi_get_value_string_utf8(env, value, nullptr, 0, &length), "read a path: not a string");
  std::string text(length, '\0');
  Check(napi_get_value_string_utf8(env, value, text.data(), length + 1, &length), "read a path");
  return text;
}

napi_value MakeString(napi_env env, std::string_view text) {
  napi_value value;
  Check(napi_create_string_utf8(env, text.data(), text.size(), &value), "make a string");
  return value;
}

napi_value MakeInteger(napi_env env, int32_t number) {
  napi_value value;
  Check(napi_create_int32(env, number, &value), "make a number");
  return value;
}

/// The file from which this process has loaded libtorch_cpu.so; empty when it has not.
std::filesystem::path LoadedTorch() {
  std::filesystem::path found;
  const auto visit = [](dl_phdr_info* info, size_t, void* result) {
    const std::filesystem::path file(info->dlpi_name);
    if (file.filename() != kTorchLibrary) return 0;
    *static_cast<std::filesystem::path*>(result) = file;
    return 1;
  };
  dl_iterate_phdr(visit, &found);
  return found;
}

/// Two libtorch in one process share symbols by name and corrupt each other's state.
void RefuseSecondTorch(const std::filesystem::path& wanted) {
  if (wanted.filename() != kTorchLibrary) return;
  const std::filesystem::path loaded = LoadedTorch();
  std::error_code ignored;
  if (loaded.empty() || std::filesystem::equivalent(loaded, wanted, ignored)) return;
  throw std::runtime_error("this process has already loaded another torch, " + loaded.string() +
                           "; " + wanted.string() + " cannot be loaded beside it");
}

// preload(paths: string[]): void
napi_value Preload(napi_env env, napi_value argument) {
  uint32_t count = 0;
  Check(napi_get_array_length(env, argument, &count), "read the paths: not an array");
  const char* global = std::getenv("DSRL_DLOPEN_GLOBAL");
  const bool is_global = global != nullptr && std::string_view(global) == "1";
  for (uint32_t i = 0; i < count; ++i) {
    napi_value element;
    Check(napi_get_element(env, argument, i, &element), "read a path");
    const std::string path = ReadString(env, element);
    if (!std::filesystem::path(path).is_absolute()) {
      throw std::runtime_error("not an absolute path: " + path);
    }
    RefuseSecondTorch(path);
    if (dlopen(path.c_str(), RTLD_NOW | (is_global ? RTLD_GLOBAL : RTLD_LOCAL)) == nullptr) {
      throw std::runtime_error("cannot load " + path + ": " + dlerror());
    }
  }
  return nullptr;
}

// torchAbiVersion(): bigint | null, 0x020d000000000000n for torch 2.13.0
napi_value TorchAbiVersion(napi_env env, napi_value) {
  napi_value result;
  Check(napi_get_null(env, &result), "make null");
  const std::filesystem::path loaded = LoadedTorch();
  if (loaded.empty()) return result;
  void* library = dlopen(loaded.c_str(), RTLD_NOW | RTLD_NOLOAD);
  if (library == nullptr) return result;
  const auto version = reinterpret_cast<uint64_t (*)()>(dlsym(library, "aoti_torch_abi_version"));
  if (version == nullptr) return result;
  Check(napi_create_bigint_uint64(env, version(), &result), "make a bigint");
  return result;
}

struct CudaDriver {
  bool present = false;
  int version = 0;  // 13000 for CUDA 13.0
  int devices = 0;
  std::string error;
};

/// Asks the driver itself: torch's own question would start its CUDA state for good.
CudaDriver QueryCudaDriver() {
  CudaDriver driver;
  void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    driver.error = dlerror();
    return driver;
  }
  driver.present = true;
  const auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(library, "cuInit"));
  const auto version = reinterpret_cast<int (*)(int*)>(dlsym(library, "cuDriverGetVersion"));
  const auto count = reinterpret_cast<int (*)(int*)>(dlsym(library, "cuDeviceGetCount"));
  if (init == nullptr || version == nullptr || count == nullptr) {
    driver.error = "libcuda.so.1 lacks cuInit, cuDriverGetVersion or cuDeviceGetCount";
    return driver;
  }
  version(&driver.version);
  int code = init(0);
  if (code == 0) code = count(&driver.devices);
  if (code != 0) driver.error = "the driver answers with CUDA error " + std::to_string(code);
  return driver;
}

// cudaDriver(): { present: boolean, version: number, devices: number, error: string }
napi_value DescribeCudaDriver(napi_env env, napi_value) {
  const CudaDriver driver = QueryCudaDriver();
  napi_value result, present;
  Check(napi_create_object(env, &result), "make an object");
  Check(napi_get_boolean(env, driver.present, &present), "make a boolean");
  const auto set = [&](const char* name, napi_value value) {
    Check(napi_set_named_property(env, result, name, value), "set a property");
  };
  set("present", present);
  set("version", MakeInteger(env, driver.version));
  set("devices", MakeInteger(env, driver.devices));
  set("error", MakeString(env, driver.error));
  return result;
}

// glibcVersion(): string, "2.36"
napi_value GlibcVersion(napi_env env, napi_value) {
  return MakeString(env, gnu_get_libc_version());
}

/// Every exported function passes through here: no C++ exception may cross into Node.
template <napi_value (*Function)(napi_env, napi_value)>
napi_value Guard(napi_env env, napi_callback_info info) {
  try {
    size_t count = 1;
    napi_value argument = nullptr;
    Check(napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr), "read the arguments");
    return Function(env, argument);
  } catch (const std::exception& error) {
    napi_throw_error(env, nullptr, error.what());
  } catch (...) {
    napi_throw_error(env, nullptr, "unknown failure in the loader");
  }
  return nullptr;
}

}  // namespace

NAPI_MODULE_INIT() {
  const auto method = [](const char* name, napi_callback callback) -> napi_property_descriptor {
    return {name, nullptr, callback, nullptr, nullptr, nullptr, napi_enumerable, nullptr};
  };
  const napi_property_descriptor methods[] = {
      method("preload", Guard<Preload>),
      method("torchAbiVersion", Guard<TorchAbiVersion>),
      method("cudaDriver", Guard<DescribeCudaDriver>),
      method("glibcVersion", Guard<GlibcVersion>),
  };
  napi_define_properties(env, exports, sizeof(methods) / sizeof(methods[0]), methods);
  return exports;
}
