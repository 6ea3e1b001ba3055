#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace dsrl {

/// Views of a buffer's parameters by their name in the layout.
using ParameterViews = std::map<std::string, at::Tensor>;
/// Tensors by RLinf's parameter names, in the layout's order.
using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// The names and shapes of one group of parameters, in order.
///
/// A name with "{}" stands for a stack of equal parameters, one an ensemble member: its first
/// dimension counts the members, and RLinf's name of member j has j in place of "{}".
class ParameterLayout {
 public:
  void add(std::string name, std::vector<int64_t> shape);

  struct Entry {
    std::string name;
    std::vector<int64_t> shape;
    int64_t offset;  // in floats, from the start of the buffer
    int64_t count;
  };
  const std::vector<Entry>& entries() const { return entries_; }
  /// Number of floats of the buffer, alignment included.
  int64_t size() const { return size_; }
  /// Number of parameters, alignment excluded.
  int64_t parameter_count() const;

 private:
  std::vector<Entry> entries_;
  int64_t size_ = 0;
};

/// Splits `flat`, a tensor of the layout's size, into views under RLinf's names.
NamedTensors named_views(const ParameterLayout& layout, const at::Tensor& flat);

/// All parameters of a group in one flat float32 tensor, and their gradients in another.
///
/// Adam, clipping, the target's moving average and publishing to the acting agent are then single
/// operations on the whole group; networks see ordinary tensors that are views of it.
class ParameterBuffer {
 public:
  ParameterBuffer(ParameterLayout layout, at::Device device);

  const ParameterLayout& layout() const { return layout_; }
  /// Every parameter, float32 [size], outside autograd. Alignment gaps are and stay zero.
  const at::Tensor& values() const { return values_; }
  /// Every gradient, float32 [size]; backward() adds into it.
  const at::Tensor& gradient() const { return gradient_; }

  /// Leaves of autograd over values(): backward() accumulates into `gradient`, float32 [size].
  ParameterViews trainable(const at::Tensor& gradient) const;
  ParameterViews trainable() const { return trainable(gradient_); }
  /// The same storage outside autograd: no gradient reaches it.
  ParameterViews frozen() const;
  NamedTensors named() const { return named_views(layout_, values_); }

 private:
  ParameterLayout layout_;
  at::Tensor values_;
  at::Tensor gradient_;
};

}  // namespace dsrl
