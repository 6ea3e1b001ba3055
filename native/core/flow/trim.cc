#include "core/flow/trim.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace dsrl {
namespace {

// Columns of a bool mask [B, C] on the host in which a row is true.
std::vector<int64_t> used_columns(const at::Tensor& mask) {
  const at::Tensor used = mask.any(0).contiguous();
  const bool* const values = used.const_data_ptr<bool>();
  std::vector<int64_t> columns;
  for (int64_t i = 0; i < used.numel(); ++i) {
    if (values[i]) columns.push_back(i);
  }
  return columns;
}

}  // namespace

NetworkInputs rows_of(const NetworkInputs& inputs, int64_t first, int64_t count) {
  const auto rows = [&](const at::Tensor& tensor) {
    return tensor.defined() ? tensor.narrow(0, first, count) : tensor;
  };
  return {rows(inputs.images), rows(inputs.image_masks), rows(inputs.tokens),
          rows(inputs.token_mask), rows(inputs.state)};
}

NetworkInputs trimmed(const NetworkInputs& inputs) {
  NetworkInputs result = inputs;
  if (inputs.image_masks.defined() && inputs.image_masks.is_cpu()) {
    std::vector<int64_t> cameras = used_columns(inputs.image_masks);
    if (cameras.empty()) cameras.push_back(0);
    if (static_cast<int64_t>(cameras.size()) < inputs.image_masks.size(1)) {
      std::vector<at::Tensor> images, masks;
      for (const int64_t camera : cameras) {
        images.push_back(inputs.images.select(1, camera));
        masks.push_back(inputs.image_masks.select(1, camera));
      }
      result.images = at::stack(images, 1);
      result.image_masks = at::stack(masks, 1);
    }
  }
  if (inputs.token_mask.is_cpu()) {
    const std::vector<int64_t> columns = used_columns(inputs.token_mask);
    const int64_t length = columns.empty() ? 1 : columns.back() + 1;
    result.tokens = inputs.tokens.narrow(1, 0, length);
    result.token_mask = inputs.token_mask.narrow(1, 0, length);
  }
  return result;
}

}  // namespace dsrl
