#pragma once

#include <ATen/core/Tensor.h>
#include <napi.h>

#include <exception>
#include <functional>
#include <string>

#include "core/error.h"

namespace dsrl::addon {

/// The JavaScript error for whatever is being handled: its `code` is a core Error's code, or
/// ERR_DSRL_OOM, or ERR_DSRL_NATIVE. To be called from a catch block.
inline Napi::Error current_exception(Napi::Env env) {
  const auto make = [env](const std::string& message, const std::string& code) {
    Napi::Error error = Napi::Error::New(env, message);
    error.Set("code", Napi::String::New(env, code));
    return error;
  };
  try {
    throw;
  } catch (const Napi::Error& error) {
    return error;
  } catch (const Error& error) {
    return make(error.what(), error.code());
  } catch (const c10::OutOfMemoryError& error) {
    return make(error.what_without_backtrace(), "ERR_DSRL_OOM");
  } catch (const c10::Error& error) {
    return make(error.what_without_backtrace(), "ERR_DSRL_NATIVE");
  } catch (const std::bad_alloc&) {
    return make("out of memory", "ERR_DSRL_OOM");
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
