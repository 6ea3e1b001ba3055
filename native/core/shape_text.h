#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace dsrl {

/// "[2, 8]", for messages.
std::string shape_text(at::IntArrayRef shape);
/// "Float [2, 8]".
std::string shape_text(at::ScalarType type, at::IntArrayRef shape);
/// "Float [2, 8]", or "nothing" for an undefined tensor.
std::string shape_text(const at::Tensor& tensor);

}  // namespace dsrl
