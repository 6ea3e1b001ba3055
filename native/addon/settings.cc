#include "addon/settings.h"

#include <algorithm>
#include <string>

#include "addon/fields.h"
#include "addon/torch_threads.h"

namespace dsrl::addon {
namespace {

AdamConfig adam(const Napi::Object& object, const std::string& group) {
  const auto betas = numbers<double>(object, (group + "_betas").c_str());
  if (betas.size() != 2) mistyped(object, group + "_betas", "two numbers");
  return {number(object, (group + "_lr").c_str()), betas[0], betas[1], number(object, "adam_eps"),
          number(object, (group + "_clip").c_str())};
}

// Of those that go through the networks at a time. In parts of 32 rows a batch of 64 costs 1.2
// times its processor time, of 16 rows 1.8 times, of 8 rows 2.6 times: from there on a thread
// brings little.
int64_t threads_worth(const LearnerConfig& config) {
  const int64_t micro = config.micro_batch_size, batch = config.batch_size;
  const int64_t rows = micro > 0 ? std::min(micro, batch) : batch;
  return std::clamp<int64_t>(rows / 16, 1, update_threads());
}

}  // namespace

NetworkConfig network_config(const Napi::Object& sizes) {
  NetworkConfig config;
  config.image_size = integer(sizes, "image_size");
  config.image_channels = numbers<int64_t>(sizes, "image_channels");
  config.image_kernels = numbers<int64_t>(sizes, "image_kernels");
  config.image_strides = numbers<int64_t>(sizes, "image_strides");
  config.image_latent_dim = integer(sizes, "image_latent_dim");
  config.state_dim = integer(sizes, "state_dim");
  config.state_latent_dim = integer(sizes, "state_latent_dim");
  config.noise_dim = integer(sizes, "noise_dim");
  config.hidden_dims = numbers<int64_t>(sizes, "hidden_dims");
  config.num_q_heads = integer(sizes, "num_q_heads");
  config.noise_magnitude = number(sizes, "noise_magnitude");
  return config;
}

LearnerConfig learner_config(const Napi::Object& settings) {
  LearnerConfig config;
  config.network = network_config(settings);
  config.gamma = number(settings, "gamma");
  config.tau = number(settings, "tau");
  const std::map<std::string, Aggregation> aggregations{{"mean", Aggregation::kMean},
                                                        {"min", Aggregation::kMin}};
  config.agg_q = choice(settings, "agg_q", aggregations);
  config.actor_agg_q = choice(settings, "actor_agg_q", aggregations);
  config.backup_entropy = boolean(settings, "backup_entropy");
  config.bootstrap_always =
      choice<bool>(settings, "bootstrap_type", {{"standard", false}, {"always", true}});
  config.critic_subsample_size = integer(settings, "critic_subsample_size");
  config.critic_actor_ratio = integer(settings, "critic_actor_ratio");
  config.train_actor_steps = integer(settings, "train_actor_steps");
  config.target_update_freq = integer(settings, "target_update_freq");
  config.alpha_type = choice<AlphaType>(settings, "alpha_type",
                                        {{"softplus", AlphaType::kSoftplus},
                                         {"exp", AlphaType::kExp},
                                         {"fixed_alpha", AlphaType::kFixed}});
  config.initial_alpha = number(settings, "initial_alpha");
  config.target_entropy = number(settings, "target_entropy");
  config.actor_adam = adam(settings, "actor");
  config.critic_adam = adam(settings, "critic");
  config.alpha_adam = adam(settings, "alpha");
  config.batch_size = integer(settings, "batch_size");
  config.sample_window = integer(settings, "sample_window");
  config.micro_batch_size = integer(settings, "micro_batch_size");
  config.threads = settings.Has("threads") ? integer(settings, "threads") : threads_worth(config);
  return config;
}

PolicySpec policy_spec(const Napi::Object& spec) {
  PolicySpec result;
  result.horizon = integer(spec, "horizon");
  result.noise_dim = integer(spec, "noise_dim");
  result.state_dim = integer(spec, "state_dim");
  result.action_dim = integer(spec, "action_dim");
  result.num_steps = integer(spec, "num_steps");
  result.num_cameras = integer(spec, "num_cameras");
  result.image_size = integer(spec, "image_size");
  result.prompt_length = integer(spec, "prompt_length");
  result.largest_token = integer(spec, "largest_token");
  result.precision = choice<Precision>(
      spec, "precision", {{"float32", Precision::kFloat32}, {"bfloat16", Precision::kBfloat16}});
  result.image_resize = choice<ImageResize>(spec, "image_resize",
                                            {{"none", ImageResize::kNone},
                                             {"openpi", ImageResize::kOpenpi},
                                             {"lerobot", ImageResize::kLerobot}});
  result.time_convention = choice<TimeConvention>(
      spec, "time_convention",
      {{"double", TimeConvention::kDouble}, {"float32", TimeConvention::kFloat32}});
  result.normalization_mode = choice<NormalizationMode>(
      spec, "normalization_mode",
      {{"mean_std", NormalizationMode::kMeanStd}, {"quantiles", NormalizationMode::kQuantiles}});
  result.normalization_eps = number(spec, "normalization_eps");
  if (result.normalization_mode == NormalizationMode::kQuantiles) {
    result.state.q01 = numbers<double>(spec, "state_low");
    result.state.q99 = numbers<double>(spec, "state_high");
    result.actions.q01 = numbers<double>(spec, "action_low");
    result.actions.q99 = numbers<double>(spec, "action_high");
  } else {
    result.state.mean = numbers<double>(spec, "state_mean");
    result.state.std = numbers<double>(spec, "state_std");
    result.actions.mean = numbers<double>(spec, "action_mean");
    result.actions.std = numbers<double>(spec, "action_std");
  }
  result.delta_action_mask = numbers<uint8_t>(spec, "delta_action_mask");
  return result;
}

uint64_t seed_argument(const Napi::Value& value) {
  if (!value.IsBigInt()) throw Napi::TypeError::New(value.Env(), "seed must be a BigInt");
  bool lossless = false;
  const uint64_t seed = value.As<Napi::BigInt>().Uint64Value(&lossless);
  if (!lossless) throw Napi::RangeError::New(value.Env(), "seed must lie in [0, 2^64)");
  return seed;
}

}  // namespace dsrl::addon
