// Operators of an update, an act or a policy's sample that have no kernel for the meta device in a
// torch without Python: layer_norm, convolution, index_select, relu, and clamp's gradient (where,
// logical_and). Here are their shapes. Their values are tested on the CPU (networks_test.cc,
// losses_test.cc, flow_test.cc), and each has a kernel for the CPU and for CUDA.

#include <ATen/ATen.h>
#include <ATen/ExpandUtils.h>
#include <torch/library.h>

namespace dsrl {
namespace {

using MaybeTensor = std::optional<at::Tensor>;

std::tuple<at::Tensor, at::Tensor, at::Tensor> layer_norm(const at::Tensor& input,
                                                          c10::SymIntArrayRef normalized,
                                                          const MaybeTensor&, const MaybeTensor&,
                                                          double) {
  std::vector<int64_t> rows = input.sizes().vec();
  for (size_t i = 0; i < normalized.size(); ++i) rows[rows.size() - 1 - i] = 1;
  return {at::empty_like(input), at::empty(rows, input.options()),
          at::empty(rows, input.options())};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> layer_norm_backward(
    const at::Tensor&, const at::Tensor& input, c10::SymIntArrayRef, const at::Tensor&,
    const at::Tensor&, const MaybeTensor& gain, const MaybeTensor& shift, std::array<bool, 3>) {
  const auto like = [](const MaybeTensor& tensor) {
    return tensor && tensor->defined() ? at::empty_like(*tensor) : at::Tensor();
  };
  return {at::empty_like(input), like(gain), like(shift)};
}

at::Tensor convolution(const at::Tensor& input, const at::Tensor& weight, const MaybeTensor&,
                       c10::SymIntArrayRef stride, c10::SymIntArrayRef padding, c10::SymIntArrayRef,
                       bool, c10::SymIntArrayRef, c10::SymInt) {
  std::vector<int64_t> shape{input.size(0), weight.size(0)};
  for (size_t i = 0; i < 2; ++i) {
    const auto dimension = static_cast<int64_t>(2 + i);
    const int64_t padded = input.size(dimension) + 2 * padding[i].expect_int();
    shape.push_back((padded - weight.size(dimension)) / stride[i].expect_int() + 1);
  }
  return at::empty(shape, input.options());
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> convolution_backward(
    const at::Tensor& gradient, const at::Tensor& input, const at::Tensor& weight,
    c10::SymIntArrayRef, c10::SymIntArrayRef, c10::SymIntArrayRef, bool, c10::SymIntArrayRef,
    c10::SymInt, std::array<bool, 3>) {
  return {at::empty_like(input), at::empty_like(weight),
          at::empty({weight.size(0)}, gradient.options())};
}

at::Tensor index_select(const at::Tensor& from, int64_t dimension, const at::Tensor& index) {
  std::vector<int64_t> shape = from.sizes().vec();
  shape[static_cast<size_t>(c10::maybe_wrap_dim(dimension, from.dim()))] = index.size(0);
  return at::empty(shape, from.options());
}

at::Tensor relu(const at::Tensor& input) {
  return at::empty_like(input);
}

at::Tensor& logical_and_out(const at::Tensor& a, const at::Tensor& b, at::Tensor& out) {
  out.resize_(at::infer_size(a.sizes(), b.sizes()));
  return out;
}

at::Tensor& logical_not_out(const at::Tensor& input, at::Tensor& out) {
  out.resize_(input.sizes());
  return out;
}

at::Tensor where(const at::Tensor& condition, const at::Tensor& chosen, const at::Tensor& other) {
  const at::Tensor& larger = chosen.dim() >= other.dim() ? chosen : other;
  return at::empty(condition.sizes(), larger.options());
}

TORCH_LIBRARY_IMPL(aten, Meta, library) {
  library.impl("native_layer_norm", layer_norm);
  library.impl("native_layer_norm_backward", layer_norm_backward);
  library.impl("convolution_overrideable", convolution);
  library.impl("convolution_backward_overrideable", convolution_backward);
  library.impl("index_select", index_select);
  library.impl("relu", relu);
  library.impl("logical_and.out", logical_and_out);
  library.impl("logical_not.out", logical_not_out);
  library.impl("where.self", where);
}

}  // namespace
}  // namespace dsrl
