#pragma once

#include <ATen/core/Tensor.h>
#include <napi.h>

#include <exception>
#include <functional>
#include <string>

#include "addon/environment.h"
#include "core/error.h"

namespace dsrl::addon {

/// `message`, and what the live handles of this thread hold: there the memory may be.
inline std::string with_live_handles(Napi::Env env, const std::string& message) {
  try {
    return message + "; " + Environment::of(env).ledger->describe();
  } catch (...) {
    return message;  // there is not even memory for a list
  }
}

/// The JavaScript error for whatever is being handled: its `code` is a core Error's code, or
/// ERR_DSRL_OOM, or ERR_DSRL_NATIVE. To be called from a catch block.
inline Napi::Error current_exception(Napi::Env env) {
  const auto make = [env](const std::string& message, const std::string& code) {
    Napi::Error error = Napi::Error::New(env, message);
    error.Set("code", Napi::String::New(env, code));
    return error;
  };
  const auto out_of_memory = [&](const std::string& message) {
    return make(with_live_handles(env, message), "ERR_DSRL_OOM");
  };
  try {
    throw;
  } catch (const Napi::Error& error) {
    return error;
  } catch (const Error& error) {
    if (error.code() == "ERR_DSRL_OOM") return out_of_memory(error.what());
    return make(error.what(), error.code());
  } catch (const c10::OutOfMemoryError& error) {
    return out_of_memory(error.what_without_backtrace());
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    // c10's allocator of the host throws no OutOfMemoryError, only its one of a GPU does.
    if (message.find("DefaultCPUAllocator: can't allocate memory") != std::string::npos) {
      return out_of_memory(message);
    }
    return make(message, "ERR_DSRL_NATIVE");
  } catch (const std::bad_alloc&) {
    return out_of_memory("out of memory");
  } catch (const std::exception& error) {
    return make(error.what(), "ERR_DSRL_NATIVE");
  } catch (...) {
    return make("unknown native failure", "ERR_DSRL_NATIVE");
  }
}

/// Runs `body` and lets no C++ exception but Napi::Error cross into Node.
template <typename Body>
auto guarded(Napi::Env env, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (...) {
    throw current_exception(env);
  }
}

}  // namespace dsrl::addon
