#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "core/nn/parameters.h"

namespace dsrl {

/// What a safetensors file holds: tensors by name, and the strings of `__metadata__`.
struct SafetensorsFile {
  std::map<std::string, at::Tensor> tensors;  // on the host, contiguous, owned
  std::map<std::string, std::string> metadata;
};

/// Writes tensors (any device, any strides) as a safetensors file and returns the CRC-32C of its
/// bytes. Tensors are laid out in the given order. Throws ERR_DSRL_CHECKPOINT_WRITE.
uint32_t write_safetensors(const std::string& path, const NamedTensors& tensors,
                           const std::map<std::string, std::string>& metadata = {});

/// Reads a safetensors file, strictly: every size in it is checked against the file before any
/// memory is reserved for it; tensors must follow each other without holes or overlaps; a name may
/// stand once. Throws ERR_DSRL_CHECKPOINT_READ (cannot be opened) or ERR_DSRL_CHECKPOINT_DAMAGED.
SafetensorsFile read_safetensors(const std::string& path);

/// CRC-32C of a file's bytes.
uint32_t file_crc32c(const std::string& path);

/// Copies `source` into `destination`, which must be the same names, dtypes and shapes: a missing,
/// unknown or misshapen tensor is ERR_DSRL_CHECKPOINT_TENSORS, and all of them are named.
/// `optional` may be absent. Nothing is copied unless everything fits. True if `optional` was
/// there.
bool assign_tensors(const NamedTensors& destination,
                    const std::map<std::string, at::Tensor>& source, const std::string& file,
                    const std::string& optional = "");

}  // namespace dsrl
