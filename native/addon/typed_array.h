#pragma once

#include <ATen/core/Tensor.h>
#include <napi.h>

#include <cstdint>
#include <optional>
#include <string>

namespace dsrl::addon {

/// A dtype that crosses into JavaScript, its name there and the typed array of its values.
struct DtypeInfo {
  at::ScalarType type;
  const char* name;
  napi_typedarray_type array;
};

/// Both throw ERR_DSRL_TENSOR_DTYPE for one that does not cross.
const DtypeInfo& dtype_of(at::ScalarType type);
const DtypeInfo& dtype_named(const std::string& name);

/// What a typed array holds. JavaScript may free or move it: not to be kept beyond the call.
struct Elements {
  napi_typedarray_type type = napi_int8_array;
  size_t count = 0;
  uint8_t* bytes = nullptr;
};

/// None for a value that is no typed array.
std::optional<Elements> elements_of(const Napi::Value& value);

/// A typed array over all of `buffer`.
Napi::Value typed_array(Napi::Env env, const DtypeInfo& dtype, const Napi::ArrayBuffer& buffer,
                        size_t count);

/// The values of a contiguous tensor on the host: in a new typed array, or in one that is there.
/// The latter throws ERR_DSRL_TENSOR_SHAPE unless it has the tensor's dtype and size.
Napi::Value values_of(Napi::Env env, const at::Tensor& host);
void copy_into(const Napi::Value& array, const at::Tensor& host);

/// A tensor that is given as a handle, or as a typed array of `type`: then it is copied, once, into
/// [rows, inner...]. Null and undefined give an undefined tensor.
/// Throws ERR_DSRL_TENSOR_DTYPE for an array of another type, ERR_DSRL_TENSOR_SHAPE for a part of a
/// row, ERR_DSRL_HANDLE for anything else.
at::Tensor tensor_or_values(const Napi::Value& value, at::ScalarType type, at::IntArrayRef inner,
                            const char* what);

/// Pictures uint8 [B, H, W, 3]: a handle, or { rows: Uint8Array[], height, width }, copied once.
/// Throws as tensor_or_values.
at::Tensor pictures_argument(const Napi::Value& value);

}  // namespace dsrl::addon
