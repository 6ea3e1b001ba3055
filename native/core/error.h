#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace dsrl {

/// What the core throws for everything a caller can cause or mend.
///
/// `code` is one of the ERR_DSRL_* codes that lib/errors.ts knows; `what()` names the thing that is
/// wrong. The addon turns it into a JavaScript error; no other exception is meant for users.
class Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message)
      : std::runtime_error(message), code_(std::move(code)) {}
  const std::string& code() const noexcept { return code_; }

 private:
  std::string code_;
};

}  // namespace dsrl
