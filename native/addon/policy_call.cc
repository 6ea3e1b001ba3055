#include "addon/policy_call.h"

#include "addon/cancellation_handle.h"
#include "addon/environment.h"
#include "addon/learner_handle.h"
#include "addon/tensor_handle.h"
#include "addon/typed_array.h"

namespace dsrl::addon {
namespace {

PolicyObservation observation_argument(const Napi::Object& inputs, const PolicySpec& spec) {
  PolicyObservation observation;
  const auto cameras = inputs.Get("images").As<Napi::Array>();
  for (uint32_t i = 0; i < cameras.Length(); ++i) {
    observation.images.push_back(pictures_argument(cameras.Get(i)));
  }
  const int64_t length = spec.prompt_length;
  observation.states =
      tensor_or_values(inputs.Get("states"), at::kFloat, {spec.state_dim}, "states");
  observation.tokens = tensor_or_values(inputs.Get("tokens"), at::kLong, {length}, "tokens");
  observation.token_mask =
      tensor_or_values(inputs.Get("tokenMask"), at::kBool, {length}, "tokenMask");
  observation.image_masks = tensor_argument(inputs.Get("imageMasks"), "imageMasks");
  return observation;
}

// The noise for an observation: what was given, or what an agent chooses when the job runs.
using Noise = std::function<at::Tensor(const PolicyObservation&)>;

Noise noise_argument(const Napi::Value& value, const PolicySpec& spec) {
  const bool object = value.IsObject() && !value.IsTypedArray();
  const Napi::Value chosen_by = object ? value.As<Napi::Object>().Get("agent") : Napi::Value();
  if (chosen_by.IsEmpty() || chosen_by.IsUndefined()) {
    const at::Tensor noise =
        tensor_or_values(value, at::kFloat, {spec.horizon, spec.noise_dim}, "noise");
    return [noise](const PolicyObservation&) { return noise; };
  }
  const auto agent = unwrap<AgentHandle>(chosen_by, "the agent").agent();
  const auto options = value.As<Napi::Object>();
  const int64_t step = options.Get("step").As<Napi::Number>().Int64Value();
  const bool deterministic = options.Get("deterministic").ToBoolean().Value();
  return [agent, step, deterministic](const PolicyObservation& seen) {
    // As in training: the agent's frame is the first camera's picture, resized once.
    const bool looks = agent->config().has_images() && !seen.images.empty();
    const at::Tensor frames =
        looks ? resize_frames(seen.images.front(), agent->config().image_size) : at::Tensor();
    return agent->act(frames, seen.states, step, deterministic);
  };
}

}  // namespace

StopRequest stop_request(const Napi::Value& cancellation, const ComputeThread& thread) {
  const auto cancelled = CancellationHandle::flag(cancellation);
  return [cancelled, shutdown = thread.cancelled()] {
    return (cancelled && cancelled->load()) || shutdown->load();
  };
}

std::function<at::Tensor()> policy_call(const Napi::CallbackInfo& info,
                                        const std::shared_ptr<FrozenPolicy>& policy,
                                        const ComputeThread& thread) {
  const PolicySpec& spec = policy->spec();
  return [policy, observation = observation_argument(info[0].As<Napi::Object>(), spec),
          noise = noise_argument(info[1], spec), steps = info[2].As<Napi::Number>().Int64Value(),
          stop = stop_request(info[3], thread)] {
    return policy->sample(observation, noise(observation), steps, stop);
  };
}

}  // namespace dsrl::addon
