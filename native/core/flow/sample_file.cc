#include "core/flow/sample_file.h"

#include <array>
#include <map>

#include "core/checkpoint/safetensors.h"
#include "core/error.h"

namespace dsrl {
namespace {

constexpr std::array<const char*, 6> kNames{"images",     "image_masks", "tokens",
                                            "token_mask", "state",       "noise"};

void check_names(const std::string& file, const std::map<std::string, at::Tensor>& tensors) {
  std::string problems;
  const auto note = [&](const std::string& name, const char* what) {
    problems += (problems.empty() ? "'" : "; '") + name + "' is " + what;
  };
  for (const char* name : kNames) {
    if (!tensors.contains(name)) note(name, "missing");
  }
  for (const auto& [name, tensor] : tensors) {
    if (std::find(kNames.begin(), kNames.end(), name) == kNames.end()) note(name, "unknown");
  }
  if (!problems.empty()) throw Error("ERR_DSRL_OBSERVATION", file + ": " + problems);
}

}  // namespace

void sample_file(const FrozenPolicy& policy, const std::string& inputs, const std::string& out,
                 int64_t num_steps, const StopRequest& stop) {
  const std::map<std::string, at::Tensor> tensors = read_safetensors(inputs).tensors;
  check_names(inputs, tensors);
  const at::Tensor& state = tensors.at("state");
  const at::Tensor& noise = tensors.at("noise");
  const at::Tensor actions =
      policy.runner().sample({tensors.at("images"), tensors.at("image_masks"), tensors.at("tokens"),
                              tensors.at("token_mask"), state},
                             noise, num_steps == 0 ? policy.spec().num_steps : num_steps, stop);
  require_finite(actions, state, noise);
  write_safetensors(out, {{"actions", actions}});
}

}  // namespace dsrl
