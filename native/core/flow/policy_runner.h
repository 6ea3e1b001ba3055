#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/flow/policy_spec.h"

namespace dsrl {

/// What policy.pt takes beside the noise: normalised and padded, a row an observation. On the host
/// or on the runner's device.
struct NetworkInputs {
  at::Tensor images;       // float32 [B, N, 3, S, S] in [-1, 1]
  at::Tensor image_masks;  // bool [B, N], false: not seen; or undefined: every picture is seen
  at::Tensor tokens;       // int64 [B, L]
  at::Tensor token_mask;   // bool [B, L], false: padding
  at::Tensor state;        // float32 [B, D]
};

/// Asked before the prefix and between Euler steps; true ends the sample with ERR_DSRL_CANCELLED.
using StopRequest = std::function<bool()>;

/// The flow time at which step `step` of `num_steps` starts: 1 for step 0, and from there down.
/// `before`: that of the step before it.
float flow_time(int64_t step, int64_t num_steps, float before, TimeConvention convention);

/// Runs policy.pt: the prefix once an observation, then the Euler steps of the flow.
///
/// What costs nothing in the actions but time is left out: cameras that are masked in every row,
/// and the prompts' columns that are padding in every row. That looks at the masks, so it happens
/// where they are on the host; nothing is ever read back from a device.
///
/// The executor's profiling is off, thread by thread, inside each call: it costs a compilation at
/// the first calls of every new shape and gains a few percent at toy sizes only, so there is
/// nothing to warm up. One thread at a time may call.
class PolicyRunner {
 public:
  /// More observations, or more noises, than this are run in pieces.
  static constexpr int64_t kLargestBatch = 64;

  /// Loads on the CPU, moves to `device`. TorchScript is a program: the caller has checked the
  /// file's sha256 against policy.json.
  /// Throws ERR_DSRL_POLICY_LOAD if the file is no TorchScript module, ERR_DSRL_POLICY_CONTRACT if
  /// a method of the artefact's contract is missing or its sizes are not those of `spec`.
  PolicyRunner(const std::string& path, const PolicySpec& spec, at::Device device);
  ~PolicyRunner();

  /// Normalised actions float32 [B * M, H, D] on the device for noise float32 [B * M, H, D]: M
  /// noises for each observation, those of one observation adjacent. A row depends on its own
  /// observation and noise alone, up to rounding. `num_steps` >= 1.
  /// Throws ERR_DSRL_OBSERVATION, naming the tensor, what was expected and what was found.
  at::Tensor sample(const NetworkInputs& inputs, const at::Tensor& noise, int64_t num_steps,
                    const StopRequest& stop = {}) const;

  int64_t parameter_count() const { return parameter_count_; }

  /// CRC-32C of the bytes of every parameter and buffer, by name: that a frozen policy stayed
  /// frozen can be seen. Reads them back from the device.
  std::vector<std::pair<std::string, uint32_t>> parameter_checksums() const;

 private:
  struct Module;  // keeps TorchScript's headers out of this one
  struct Prefix {
    at::Tensor pad, K, V;  // bool [B, P]; [layers, B, kv_heads, P, head_dim]
  };

  void check_contract(const std::string& path, const PolicySpec& spec) const;
  void check(const NetworkInputs& inputs, const at::Tensor& noise, int64_t num_steps) const;
  Prefix prefix(const NetworkInputs& inputs) const;
  at::Tensor integrate(const at::Tensor& state, const Prefix& prefix, const at::Tensor& noise,
                       int64_t num_steps, const StopRequest& stop) const;

  int64_t horizon_, noise_dim_, image_size_;
  TimeConvention time_convention_;
  at::Device device_;
  std::unique_ptr<Module> module_;
  int64_t parameter_count_ = 0;
  int64_t vocabulary_ = 0;  // 0: not known
};

}  // namespace dsrl
