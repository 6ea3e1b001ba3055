#include "core/nn/parameters.h"

#include <ATen/ATen.h>

#include <numeric>

namespace dsrl {
namespace {

// 64 bytes: vector loads of every view are aligned, and oneDNN takes its fast path.
constexpr int64_t kAlignment = 16;

at::Tensor view_of(const at::Tensor& flat, const ParameterLayout::Entry& entry) {
  return flat.narrow(0, entry.offset, entry.count).view(entry.shape);
}

}  // namespace

void ParameterLayout::add(std::string name, std::vector<int64_t> shape) {
  const int64_t count =
      std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  entries_.push_back({std::move(name), std::move(shape), size_, count});
  size_ += (count + kAlignment - 1) / kAlignment * kAlignment;
}

int64_t ParameterLayout::parameter_count() const {
  int64_t total = 0;
  for (const Entry& entry : entries_) total += entry.count;
  return total;
}

NamedTensors named_views(const ParameterLayout& layout, const at::Tensor& flat) {
  NamedTensors named;
  for (const auto& entry : layout.entries()) {
    const at::Tensor view = view_of(flat, entry);
    const size_t mark = entry.name.find("{}");
    if (mark == std::string::npos) {
      named.emplace_back(entry.name, view);
      continue;
    }
    for (int64_t member = 0; member < entry.shape[0]; ++member) {
      std::string name = entry.name;
      named.emplace_back(name.replace(mark, 2, std::to_string(member)), view.select(0, member));
    }
  }
  return named;
}

ParameterBuffer::ParameterBuffer(ParameterLayout layout, at::Device device)
    : layout_(std::move(layout)),
      values_(at::zeros({layout_.size()}, at::TensorOptions().dtype(at::kFloat).device(device))),
      gradient_(at::zeros_like(values_)) {}

ParameterViews ParameterBuffer::trainable(const at::Tensor& gradient) const {
  ParameterViews views;
  for (const auto& entry : layout_.entries()) {
    at::Tensor leaf = view_of(values_, entry).detach();
    leaf.set_requires_grad(true);
    leaf.mutable_grad() = view_of(gradient, entry);
    views.emplace(entry.name, std::move(leaf));
  }
  return views;
}

ParameterViews ParameterBuffer::frozen() const {
  ParameterViews views;
  for (const auto& entry : layout_.entries()) views.emplace(entry.name, view_of(values_, entry));
  return views;
}

}  // namespace dsrl
