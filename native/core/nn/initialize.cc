#include <ATen/ATen.h>

#include <cmath>

#include "core/nn/networks.h"
#include "core/random/philox.h"

namespace dsrl {
namespace {

bool ends_with(const std::string& text, const char* tail) {
  const std::string_view suffix(tail);
  return text.size() >= suffix.size() &&
         text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
}
bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

at::Tensor draw_normal(const RandomStream& stream, at::IntArrayRef shape) {
  at::Tensor out = at::empty(shape, at::kFloat);
  stream.normal(0, 0, {out.data_ptr<float>(), static_cast<size_t>(out.numel())});
  return out;
}

at::Tensor draw_uniform(const RandomStream& stream, at::IntArrayRef shape, double bound) {
  at::Tensor out = at::empty(shape, at::kFloat);
  stream.uniform(0, 0, {out.data_ptr<float>(), static_cast<size_t>(out.numel())});
  return out.mul_(2 * bound).sub_(bound);
}

// torch.nn.init.orthogonal_: Q of a normal matrix's QR, with the signs of R's diagonal.
at::Tensor orthogonal(const RandomStream& stream, at::IntArrayRef shape, double gain) {
  const int64_t rows = shape[0];
  at::Tensor matrix = draw_normal(stream, shape).reshape({rows, -1});
  const bool wide = rows < matrix.size(1);
  if (wide) matrix = matrix.t();
  auto [q, r] = at::linalg_qr(matrix.to(at::kDouble));
  q = q * r.diagonal().sign();
  if (wide) q = q.t();
  return q.reshape(shape).to(at::kFloat).mul_(gain);
}

// PyTorch's default for a Linear's weight and bias: U(-1, 1) / sqrt(fan_in).
double linear_bound(int64_t fan_in) {
  return 1.0 / std::sqrt(static_cast<double>(fan_in));
}

at::Tensor fresh(const NetworkConfig& config, const RandomStream& stream, const std::string& name,
                 at::IntArrayRef shape) {
  const bool weight = ends_with(name, ".weight");
  const bool matrix = weight && shape.size() >= 2 && !contains(name, "{}");
  const bool norm = weight && !matrix && (shape.size() == 1 || contains(name, "{}"));
  if (contains(name, "_image_encoder.encoder")) {
    return weight ? orthogonal(stream, shape, std::sqrt(2.0)) : at::zeros(shape);
  }
  if (contains(name, "bottleneck.1")) {  // Xavier normal
    if (!weight) return at::zeros(shape);
    return draw_normal(stream, shape).mul_(std::sqrt(2.0 / double(shape[0] + shape[1])));
  }
  if (contains(name, "mean_layer") || contains(name, "log_std_layer")) {  // Xavier uniform
    if (!weight) return at::zeros(shape);
    return draw_uniform(stream, shape, 0.01 * std::sqrt(6.0 / double(shape[0] + shape[1])));
  }
  if (contains(name, "q_heads")) {
    if (!weight) return at::zeros(shape);
    if (shape.size() == 2) return at::ones(shape);  // LayerNorm gains, [heads, width]
    const double fan_out = static_cast<double>(shape[1]);
    const double std = shape[1] == 1 ? 0.01 : std::sqrt(2.0 / fan_out);  // Kaiming normal, fan_out
    return draw_normal(stream, shape).mul_(std);
  }
  if (norm) return at::ones(shape);
  if (matrix) return draw_uniform(stream, shape, linear_bound(shape[1]));
  // Biases that remain: LayerNorm's are zero; the state encoder's and the actor's hidden Linear
  // layers take PyTorch's default, whose bound depends on the layer's input width.
  if (contains(name, "state_encoder.encoder.0")) {
    return draw_uniform(stream, shape, linear_bound(config.state_dim));
  }
  for (size_t layer = 0; layer < config.hidden_dims.size(); ++layer) {
    if (ends_with(name, ("shared_net." + std::to_string(3 * layer) + ".bias").c_str())) {
      const int64_t fan_in = layer == 0 ? config.feature_dim() : config.hidden_dims[layer - 1];
      return draw_uniform(stream, shape, linear_bound(fan_in));
    }
  }
  return at::zeros(shape);
}

}  // namespace

void initialize(const NetworkConfig& config, uint64_t seed, const ParameterBuffer& buffer) {
  const ParameterViews views = buffer.frozen();
  for (const auto& entry : buffer.layout().entries()) {
    const RandomStream stream(seed, "init." + entry.name);
    views.at(entry.name).copy_(fresh(config, stream, entry.name, entry.shape));
  }
}

}  // namespace dsrl
