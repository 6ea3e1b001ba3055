#include "addon/typed_array.h"

#include <ATen/ATen.h>

#include <array>
#include <cstring>
#include <vector>

#include "addon/tensor_handle.h"
#include "core/error.h"

namespace dsrl::addon {
namespace {

constexpr std::array<DtypeInfo, 6> kDtypes{{{at::kFloat, "float32", napi_float32_array},
                                            {at::kDouble, "float64", napi_float64_array},
                                            {at::kLong, "int64", napi_bigint64_array},
                                            {at::kInt, "int32", napi_int32_array},
                                            {at::kByte, "uint8", napi_uint8_array},
                                            {at::kBool, "bool", napi_uint8_array}}};

// Beyond any camera; the product of two with the channels stays far from overflow.
constexpr double kLongestSide = 1 << 20;

size_t side(const Napi::Object& pictures, const char* name) {
  const Napi::Value value = pictures.Get(name);
  const double length = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : 0;
  if (length >= 1 && length <= kLongestSide) return static_cast<size_t>(length);
  throw Error("ERR_DSRL_TENSOR_SHAPE", std::string("the pictures have no ") + name);
}

}  // namespace

const DtypeInfo& dtype_of(at::ScalarType type) {
  for (const DtypeInfo& dtype : kDtypes) {
    if (dtype.type == type) return dtype;
  }
  throw Error("ERR_DSRL_TENSOR_DTYPE", std::string("no typed array for ") + c10::toString(type));
}

const DtypeInfo& dtype_named(const std::string& name) {
  for (const DtypeInfo& dtype : kDtypes) {
    if (name == dtype.name) return dtype;
  }
  throw Error("ERR_DSRL_TENSOR_DTYPE", "unknown dtype '" + name + "'");
}

std::optional<Elements> elements_of(const Napi::Value& value) {
  if (!value.IsTypedArray()) return std::nullopt;
  Elements elements;
  void* data = nullptr;
  if (napi_get_typedarray_info(value.Env(), value, &elements.type, &elements.count, &data, nullptr,
                               nullptr) != napi_ok) {
    return std::nullopt;
  }
  elements.bytes = static_cast<uint8_t*>(data);
  return elements;
}

Napi::Value typed_array(Napi::Env env, const DtypeInfo& dtype, const Napi::ArrayBuffer& buffer,
                        size_t count) {
  napi_value value;
  if (napi_create_typedarray(env, dtype.array, count, buffer, 0, &value) != napi_ok) {
    throw Napi::Error::New(env);
  }
  return Napi::Value(env, value);
}

Napi::Value values_of(Napi::Env env, const at::Tensor& host) {
  const Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, host.nbytes());
  const Napi::Value array =
      typed_array(env, dtype_of(host.scalar_type()), buffer, static_cast<size_t>(host.numel()));
  copy_into(array, host);
  return array;
}

void copy_into(const Napi::Value& array, const at::Tensor& host) {
  const DtypeInfo& dtype = dtype_of(host.scalar_type());
  const auto count = static_cast<size_t>(host.numel());
  const auto elements = elements_of(array);
  if (!elements || elements->type != dtype.array || elements->count != count) {
    throw Error("ERR_DSRL_TENSOR_SHAPE", "the array to read into must hold " +
                                             std::to_string(count) + " elements of " + dtype.name);
  }
  if (count > 0) std::memcpy(elements->bytes, host.const_data_ptr(), host.nbytes());
}

at::Tensor tensor_or_values(const Napi::Value& value, at::ScalarType type, at::IntArrayRef inner,
                            const char* what) {
  const auto elements = elements_of(value);
  if (!elements) return tensor_argument(value, what);
  const DtypeInfo& dtype = dtype_of(type);
  if (elements->type != dtype.array) {
    throw Error("ERR_DSRL_TENSOR_DTYPE",
                std::string(what) + " has another typed array than that of " + dtype.name);
  }
  std::vector<int64_t> shape{0};
  shape.insert(shape.end(), inner.begin(), inner.end());
  const auto row = static_cast<size_t>(c10::multiply_integers(inner));
  if (row == 0 || elements->count % row != 0) {
    throw Error("ERR_DSRL_TENSOR_SHAPE", std::string(what) + " has " +
                                             std::to_string(elements->count) +
                                             " values, not rows of " + std::to_string(row));
  }
  shape[0] = static_cast<int64_t>(elements->count / row);
  const at::Tensor tensor = at::empty(shape, type);
  if (elements->count > 0) {
    std::memcpy(tensor.mutable_data_ptr(), elements->bytes, tensor.nbytes());
  }
  return tensor;
}

at::Tensor pictures_argument(const Napi::Value& value) {
  const Napi::Value given = value.IsObject() ? value.As<Napi::Object>().Get("rows") : value;
  if (!given.IsArray()) return tensor_argument(value, "images");
  const auto rows = given.As<Napi::Array>();
  const size_t height = side(value.As<Napi::Object>(), "height");
  const size_t width = side(value.As<Napi::Object>(), "width");
  const size_t size = height * width * 3;
  const auto as_signed = [](size_t length) { return static_cast<int64_t>(length); };
  std::vector<Elements> pictures;
  for (uint32_t row = 0; row < rows.Length(); ++row) {
    const auto elements = elements_of(rows.Get(row));
    if (!elements || elements->type != napi_uint8_array || elements->count != size) {
      throw Error("ERR_DSRL_TENSOR_SHAPE",
                  "picture " + std::to_string(row) + " has not " + std::to_string(size) + " bytes");
    }
    pictures.push_back(*elements);
  }
  const at::Tensor tensor =
      at::empty({as_signed(pictures.size()), as_signed(height), as_signed(width), 3}, at::kByte);
  auto* bytes = tensor.mutable_data_ptr<uint8_t>();
  for (const Elements& picture : pictures) {
    std::memcpy(bytes, picture.bytes, size);
    bytes += size;
  }
  return tensor;
}

}  // namespace dsrl::addon
