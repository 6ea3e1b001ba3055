#include "core/shape_text.h"

namespace dsrl {

std::string shape_text(at::IntArrayRef shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

std::string shape_text(at::ScalarType type, at::IntArrayRef shape) {
  return std::string(c10::toString(type)) + " " + shape_text(shape);
}

std::string shape_text(const at::Tensor& tensor) {
  return tensor.defined() ? shape_text(tensor.scalar_type(), tensor.sizes()) : "nothing";
}

}  // namespace dsrl
