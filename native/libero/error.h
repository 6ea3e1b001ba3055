#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace dsrl::libero {

/// What the plugin throws inside; at the ABI it becomes a DsrlLiberoError.
class Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message)
      : std::runtime_error(message), code_(std::move(code)) {}
  const std::string& code() const noexcept { return code_; }

 private:
  std::string code_;
};

}  // namespace dsrl::libero
