#pragma once

#include <memory>
#include <string>

#include "core/error.h"

namespace dsrl::addon {

/// The core object of a JavaScript handle, until the handle is disposed of. A job that is under way
/// holds a share of its own: it ends as if nothing had happened, and the last share frees the
/// object. Waiting for the collector instead would cost: it knows of the handle's few bytes alone.
template <typename T>
class Disposable {
 public:
  /// `what` stands in the message, as in "the replay has been disposed of".
  explicit Disposable(const char* what) : what_(what) {}

  void hold(std::shared_ptr<T> object) { object_ = std::move(object); }

  const std::shared_ptr<T>& get() const {
    if (object_) return object_;
    throw Error("ERR_DSRL_DISPOSED", std::string("the ") + what_ + " has been disposed of");
  }

  void dispose() { object_.reset(); }

 private:
  const char* what_;
  std::shared_ptr<T> object_;
};

}  // namespace dsrl::addon
