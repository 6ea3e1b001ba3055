#include "core/replay/replay.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>

#include "core/error.h"
#include "core/replay/transition_values.h"
#include "core/shape_text.h"

namespace dsrl {
namespace {

constexpr int64_t kNone = -1;
constexpr int64_t kMostTransitions = int64_t{1} << 31;
constexpr int64_t kMostEnvs = int64_t{1} << 20;

// `value` if it lies in [1, most]: before any memory is sized by it.
int64_t checked(const char* what, int64_t value, int64_t most) {
  if (value >= 1 && value <= most) return value;
  throw Error("ERR_DSRL_CONFIG_REPLAY", std::string("replay: ") + what + ' ' +
                                            std::to_string(value) + " is outside [1, " +
                                            std::to_string(most) + "]");
}

// A tensor of the host with `rows` rows of `row` values, or an error that says which is wrong.
at::Tensor host_rows(const char* name, const at::Tensor& tensor, at::ScalarType type,
                     std::vector<int64_t> shape) {
  if (!tensor.defined() || tensor.scalar_type() != type || tensor.sizes() != shape) {
    throw Error("ERR_DSRL_REPLAY_SHAPE",
                std::string("replay.append: ") + name + " must be " + shape_text(type, shape));
  }
  return tensor.to(at::kCPU).contiguous();
}

void check_values(const ReplayRows& rows) {
  for (size_t env = 0; env < rows.active.size(); ++env) {
    if (!rows.active[env]) continue;
    const std::string wrong = wrong_value(rows.rewards[env], rows.steps[env], rows.terminated[env]);
    if (!wrong.empty()) {
      throw Error("ERR_DSRL_REPLAY_VALUE",
                  "replay.append: environment " + std::to_string(env) + ": " + wrong);
    }
  }
}

}  // namespace

Replay::Replay(const NetworkConfig& config, int64_t capacity, int64_t num_envs, at::Device device)
    : config_((validate(config), config)),
      capacity_(checked("capacity", capacity, kMostTransitions)),
      // Two frames a transition at worst (every episode one chunk long), and the pending ones.
      store_(config, 2 * capacity_ + 2 * checked("num_envs", num_envs, kMostEnvs), device),
      pending_(static_cast<size_t>(num_envs), kNone) {
  const auto options = at::TensorOptions().device(device);
  observations_ = at::empty({capacity_}, options.dtype(at::kLong));
  next_observations_ = at::empty({capacity_}, options.dtype(at::kLong));
  noise_ = at::empty({capacity_, config.noise_dim}, options.dtype(at::kFloat));
  rewards_ = at::empty({capacity_}, options.dtype(at::kFloat));
  steps_ = at::empty({capacity_}, options.dtype(at::kLong));
  terminated_ = at::empty({capacity_}, options.dtype(at::kByte));
  versions_.resize(static_cast<size_t>(capacity_));
  slots_.resize(static_cast<size_t>(capacity_));
  next_slots_.resize(static_cast<size_t>(capacity_));
}

int64_t Replay::bytes_at_most(const NetworkConfig& config, int64_t capacity) {
  const int64_t observation = config.image_size * config.image_size * 3 + config.state_dim * 4;
  return capacity * (2 * observation + config.noise_dim * 4 + 3 * 8 + 4 + 1 + 3 * 8);
}

void Replay::append(const ReplayRows& rows) {
  const auto envs = static_cast<int64_t>(pending_.size());
  const auto count = static_cast<size_t>(envs);
  if (rows.rewards.size() != count || rows.steps.size() != count ||
      rows.terminated.size() != count || rows.active.size() != count) {
    throw Error("ERR_DSRL_REPLAY_SHAPE",
                "replay.append: rewards, steps, terminated and active "
                "must have one entry an environment (" +
                    std::to_string(envs) + ")");
  }
  const int64_t side = config_.image_size;
  const at::Tensor states = host_rows("states", rows.states, at::kFloat, {envs, config_.state_dim});
  const at::Tensor next_states =
      host_rows("next_states", rows.next_states, at::kFloat, {envs, config_.state_dim});
  const at::Tensor noise = host_rows("noise", rows.noise, at::kFloat, {envs, config_.noise_dim});
  at::Tensor images, next_images;
  if (config_.has_images()) {
    images = host_rows("images", rows.images, at::kByte, {envs, side, side, 3});
    next_images = host_rows("next_images", rows.next_images, at::kByte, {envs, side, side, 3});
  }
  check_values(rows);
  const auto image = [&](const at::Tensor& tensor, int64_t env) {
    return tensor.defined() ? tensor.const_data_ptr<uint8_t>() + env * store_.image_bytes()
                            : nullptr;
  };
  const auto row = [](const at::Tensor& tensor, int64_t env) {
    return tensor.const_data_ptr<float>() + env * tensor.size(1);
  };
  for (int64_t env = 0; env < envs; ++env) {
    const auto e = static_cast<size_t>(env);
    if (!rows.active[e]) continue;
    int64_t& pending = pending_[e];
    // s is the previous s' unless the environment was reset (or moved by a person) in between.
    if (pending != kNone && !store_.equals(pending, image(images, env), row(states, env))) {
      store_.release(pending);
      pending = kNone;
    }
    if (pending == kNone) pending = store_.add(image(images, env), row(states, env));
    const int64_t next = store_.add(image(next_images, env), row(next_states, env));
    push(pending, next, row(noise, env), rows.rewards[e], rows.steps[e], rows.terminated[e],
         rows.version);
    store_.release(pending);
    pending = next;
  }
}

// Takes its own holds on both slots; the caller's holds stay the caller's.
void Replay::push(int64_t observation, int64_t next_observation, const float* noise, float reward,
                  int32_t steps, uint8_t terminated, int64_t version) {
  const int64_t at = slot(total_);
  const auto index = static_cast<size_t>(at);
  if (size_ == capacity_) {  // `at` is the oldest transition's place
    store_.release(slots_[index]);
    store_.release(next_slots_[index]);
    size_ = size_ - 1;
  }
  store_.hold(observation);
  store_.hold(next_observation);
  slots_[index] = observation;
  next_slots_[index] = next_observation;
  versions_[index] = version;
  observations_.select(0, at).fill_(observation);
  next_observations_.select(0, at).fill_(next_observation);
  noise_.select(0, at).copy_(
      at::from_blob(const_cast<float*>(noise), {config_.noise_dim}, at::kFloat));
  rewards_.select(0, at).fill_(reward);
  steps_.select(0, at).fill_(static_cast<int64_t>(steps));
  terminated_.select(0, at).fill_(static_cast<int64_t>(terminated));
  total_ = total_ + 1;
  size_ = size_ + 1;
}

// As it was made.
void Replay::clear() {
  size_ = 0;
  total_ = 0;
  store_.clear();
  std::fill(pending_.begin(), pending_.end(), kNone);
}

Batch Replay::gather(const at::Tensor& positions, at::Device device) const {
  const at::Tensor rows = (positions + oldest()).remainder(capacity_);
  const at::Tensor now = observations_.index_select(0, rows);
  const at::Tensor next = next_observations_.index_select(0, rows);
  const auto move = [device](const at::Tensor& tensor) { return tensor.to(device); };
  Batch batch;
  if (store_.has_images()) {
    batch.images = move(store_.images(now));
    batch.next_images = move(store_.images(next));
  }
  batch.states = move(store_.states(now));
  batch.next_states = move(store_.states(next));
  batch.noise = move(noise_.index_select(0, rows));
  batch.rewards = move(rewards_.index_select(0, rows));
  batch.steps = move(steps_.index_select(0, rows));
  batch.terminated = move(terminated_.index_select(0, rows));
  return batch;
}

}  // namespace dsrl
