#include "core/sac/learner.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/random/tensor_random.h"
#include "core/sac/agent.h"

namespace dsrl {
namespace {

const LearnerConfig& validated(const LearnerConfig& config) {
  validate(config);
  return config;
}

size_t threads_of(const LearnerConfig& config, at::Device device) {
  return device.is_cpu() ? static_cast<size_t>(config.threads) : 1;
}

}  // namespace

Learner::Learner(const LearnerConfig& config, uint64_t seed, at::Device device)
    : config_(validated(config)),
      device_(device),
      actor_(Actor::layout(config.network), device),
      critic_(Critic::layout(config.network), device),
      target_(Critic::layout(config.network), device),
      temperature_(config, device),
      actor_adam_(actor_, config.actor_adam),
      critic_adam_(critic_, config.critic_adam),
      temperature_adam_(temperature_.parameters(), config.alpha_adam),
      actor_network_(config.network, actor_, threads_of(config, device)),
      critic_network_(config.network, critic_, threads_of(config, device)),
      frozen_critic_network_(config.network, critic_.frozen()),
      target_network_(config.network, target_.frozen()),
      sample_stream_(seed, "replay.sample"),
      target_stream_(seed, "learner.eps_next"),
      actor_stream_(seed, "learner.eps_pi"),
      heads_stream_(seed, "learner.heads") {
  initialize(config_.network, seed, actor_);
  initialize(config_.network, seed, critic_);
  reset_target();
  if (const size_t threads = threads_of(config_, device_); threads > 1) {
    threads_.emplace(threads);
    const int operations = at::get_num_threads();
    threads_->run_on_each([](size_t, size_t) {
      // A thread takes the number that was set last when it first asks or computes, in place of
      // one of its own: without the question each would get `operations`.
      at::get_num_threads();
      at::set_num_threads(1);
    });
    at::set_num_threads(operations);  // for threads to come
  }
}

void Learner::reset_target() {
  target_.values().copy_(critic_.values());
}

// One update: critic, then actor and temperature, then the target network, all on one batch.
Learner::PendingMetrics Learner::update(const Batch& batch, const UpdateNoise& noise) {
  const std::vector<Part> parts = split(batch);
  const at::Tensor alpha = temperature_.alpha();  // as it stands at the start of the update
  PendingMetrics metrics{updates_, {}, {}};
  std::vector<at::Tensor> values;
  const auto report = [&](const std::string& name, const at::Tensor& value) {
    metrics.names.push_back(name);
    values.push_back(value);
  };

  const CriticStep critic = critic_step(parts, noise, alpha, batch.size());
  report("critic_loss", critic.loss);
  report("target_q", critic.target_q);
  report("q_data", critic.q_data);
  report("critic_grad_norm", critic.gradient_norm);

  if (updates_ >= config_.train_actor_steps && updates_ % config_.critic_actor_ratio == 0) {
    const ActorStep actor = actor_step(parts, noise, alpha, batch.size());
    report("actor_grad_norm", actor.gradient_norm);
    report("actor_loss", actor.loss);
    report("entropy", actor.entropy);
    report("q_pi", actor.q_pi);
    for (int64_t head = 0; head < config_.network.num_q_heads; ++head) {
      report("q_value_" + std::to_string(head), actor.q_heads.select(0, head));
    }
    if (!temperature_.fixed()) {
      temperature_.parameters().gradient().zero_();
      report("alpha_loss", temperature_.backward(actor.mean_log_density));
      report("alpha_grad_norm", temperature_adam_.step(temperature_.parameters()));
    }
  }
  if (updates_ % config_.target_update_freq == 0) {
    target_.values().lerp_(critic_.values(), config_.tau);
  }
  report("alpha", temperature_.alpha());
  metrics.values = at::stack(values);
  ++updates_;
  return metrics;
}

// Mean over batch and heads of (Q_j(s, a) - y)^2; one Adam step for the critic and its encoders.
Learner::CriticStep Learner::critic_step(const std::vector<Part>& parts, const UpdateNoise& noise,
                                         const at::Tensor& alpha, int64_t batch_size) {
  critic_network_.zero_gradients();
  const std::vector<int64_t> heads = target_heads();
  const double share = 1.0 / static_cast<double>(batch_size);
  const double head_share = share / static_cast<double>(config_.network.num_q_heads);
  std::vector<at::Tensor> loss(parts.size()), target_q(parts.size()), q_data(parts.size());
  for_each_part(parts.size(), [&](size_t i, size_t thread) {
    const Transitions& rows = parts[i].rows;
    const at::Tensor eps = parts[i].noise_of(noise.eps_next);
    const at::Tensor y = bellman_target(config_, actor_network_.of(thread), target_network_, rows,
                                        eps, alpha, heads);
    const CriticErrors errors = critic_errors(critic_network_.of(thread), rows, y);
    const at::Tensor part_loss = errors.squared.sum() * head_share;
    part_loss.backward();
    loss[i] = part_loss.detach();
    target_q[i] = y.sum() * share;
    q_data[i] = errors.q.sum() * head_share;
  });
  critic_network_.sum_gradients();
  const at::Tensor norm = critic_adam_.step(critic_);
  return {at::stack(loss).sum(), at::stack(target_q).sum(), at::stack(q_data).sum(), norm};
}

// mean(alpha log p - agg Q(s, a)), with the critic as it stands after its step.
Learner::ActorStep Learner::actor_step(const std::vector<Part>& parts, const UpdateNoise& noise,
                                       const at::Tensor& alpha, int64_t batch_size) {
  actor_network_.zero_gradients();
  const double share = 1.0 / static_cast<double>(batch_size);
  const size_t count = parts.size();
  std::vector<at::Tensor> loss(count), log_density(count), q_pi(count), q_heads(count);
  for_each_part(count, [&](size_t i, size_t thread) {
    const ActorObjective objective =
        actor_objective(config_, actor_network_.of(thread), frozen_critic_network_,
                        parts[i].rows.observation, parts[i].noise_of(noise.eps_pi), alpha);
    const at::Tensor part_loss = objective.loss.sum() * share;
    part_loss.backward();
    loss[i] = part_loss.detach();
    log_density[i] = objective.log_density.sum() * share;
    q_pi[i] = objective.aggregated.sum() * share;
    q_heads[i] = objective.q.sum(1) * share;
  });
  actor_network_.sum_gradients();
  const at::Tensor norm = actor_adam_.step(actor_);
  const at::Tensor mean_log_density = at::stack(log_density).sum();
  return {at::stack(loss).sum(),
          -mean_log_density,
          at::stack(q_pi).sum(),
          at::stack(q_heads).sum(0),
          norm,
          mean_log_density};
}

std::vector<UpdateMetrics> Learner::update(int64_t count, const Replay& replay,
                                           const std::atomic<bool>& cancelled) {
  if (replay.size() == 0) {
    throw Error("ERR_DSRL_REPLAY_EMPTY", "the replay holds no transition to learn from");
  }
  const int64_t window = config_.sample_window;
  const int64_t drawn = window > 0 ? std::min(window, replay.size()) : replay.size();
  const int64_t oldest = replay.size() - drawn;
  std::vector<PendingMetrics> pending;
  for (int64_t i = 0; i < count && !cancelled.load(std::memory_order_relaxed); ++i) {
    const at::Tensor rows =
        random_below(sample_stream_, updates_, config_.batch_size, drawn, replay.device()) + oldest;
    const int64_t noise_dim = config_.network.noise_dim;
    const UpdateNoise noise{
        random_normal(target_stream_, updates_, config_.batch_size, noise_dim, device_),
        random_normal(actor_stream_, updates_, config_.batch_size, noise_dim, device_)};
    pending.push_back(update(replay.gather(rows, device_), noise));
  }
  return read(pending);
}

std::vector<UpdateMetrics> Learner::read(const std::vector<PendingMetrics>& pending) {
  std::vector<UpdateMetrics> rows;
  if (pending.empty()) return rows;
  std::vector<at::Tensor> values;
  for (const PendingMetrics& row : pending) values.push_back(row.values);
  const at::Tensor host = at::cat(values).to(at::kCPU, at::kFloat).contiguous();
  const float* next = host.const_data_ptr<float>();
  for (const PendingMetrics& row : pending) {
    UpdateMetrics metrics{row.update, {}};
    for (const std::string& name : row.names) metrics.values.emplace_back(name, *next++);
    rows.push_back(std::move(metrics));
  }
  return rows;
}

void Learner::for_each_part(size_t count, const std::function<void(size_t, size_t)>& body) {
  if (!threads_) {
    for (size_t part = 0; part < count; ++part) body(part, 0);
    return;
  }
  // Which thread has which part is fixed: so is the order in which gradients are added up.
  threads_->run_on_each([&](size_t thread, size_t) {
    for (size_t part = thread; part < count; part += threads_->size()) body(part, thread);
  });
}

// At a time micro_batch_size rows, shared by the threads; the last part is what is left. The
// frames of all parts are made float32 here, once: the actor's pass reads again what the critic's
// has read.
std::vector<Learner::Part> Learner::split(const Batch& batch) {
  const int64_t size = batch.size();
  const int64_t at_a_time =
      config_.micro_batch_size > 0 ? std::min(config_.micro_batch_size, size) : size;
  const int64_t threads = threads_ ? static_cast<int64_t>(threads_->size()) : 1;
  const int64_t step = (at_a_time + threads - 1) / threads;
  std::vector<Part> parts(static_cast<size_t>((size + step - 1) / step));
  for_each_part(parts.size(), [&](size_t i, size_t) {
    const int64_t first = static_cast<int64_t>(i) * step;
    const int64_t rows = std::min(step, size - first);
    const auto part = [&](const at::Tensor& tensor) { return tensor.narrow(0, first, rows); };
    const auto frames = [&](const at::Tensor& tensor) {
      return config_.network.has_images() ? normalize_frames(part(tensor)) : at::Tensor();
    };
    parts[i] = {first,
                {{frames(batch.images), part(batch.states)},
                 {frames(batch.next_images), part(batch.next_states)},
                 part(batch.noise),
                 part(batch.rewards),
                 part(batch.steps),
                 part(batch.terminated)}};
  });
  return parts;
}

// REDQ's random subset: one draw a batch, without replacement (a partial Fisher-Yates shuffle).
std::vector<int64_t> Learner::target_heads() const {
  const int64_t wanted = config_.critic_subsample_size;
  const int64_t heads = config_.network.num_q_heads;
  if (wanted <= 0 || wanted >= heads) return {};
  std::vector<int64_t> order(static_cast<size_t>(heads));
  std::iota(order.begin(), order.end(), 0);
  std::vector<uint32_t> words(static_cast<size_t>(wanted));
  heads_stream_.words(static_cast<uint32_t>(updates_), 0, words);
  for (int64_t i = 0; i < wanted; ++i) {
    const auto rest = static_cast<uint64_t>(heads - i);
    std::swap(order[i], order[i + static_cast<int64_t>((words[i] * rest) >> 32)]);
  }
  order.resize(static_cast<size_t>(wanted));
  return order;
}

void Learner::publish(Agent& agent) const {
  agent.assign(actor_.values(), updates_);
}

bool Learner::finite() const {
  const at::NoGradGuard no_gradient;
  std::vector<at::Tensor> all{actor_.values(), critic_.values(), target_.values(),
                              temperature_.parameters().values()};
  for (const Adam* adam : {&actor_adam_, &critic_adam_, &temperature_adam_}) {
    all.push_back(adam->first_moment());
    all.push_back(adam->second_moment());
  }
  at::Tensor sum = at::zeros({}, actor_.values().options());
  for (const at::Tensor& tensor : all) {
    sum = sum + tensor.isfinite().logical_not().sum();
  }
  return sum.item<float>() == 0.0F;
}

}  // namespace dsrl
