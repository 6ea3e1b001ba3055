#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace dsrl {

/// The JSON header of a safetensors file, parsed.
struct SafetensorsHeader {
  struct Entry {
    std::string dtype;
    std::vector<int64_t> shape;
    uint64_t begin;
    uint64_t end;
  };
  std::map<std::string, Entry> tensors;
  std::map<std::string, std::string> metadata;
};

/// Parses exactly the JSON that the format allows: one object of entries, each with dtype, shape
/// and data_offsets, and `__metadata__`, an object of strings. Anything else, a repeated key
/// included, throws std::invalid_argument with the byte offset.
SafetensorsHeader parse_safetensors_header(std::string_view text);

/// `text` as a JSON string, quotes included.
std::string json_string(std::string_view text);

}  // namespace dsrl
