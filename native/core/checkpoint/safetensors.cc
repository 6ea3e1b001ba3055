#include "core/checkpoint/safetensors.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <set>
#include <stdexcept>

#include "core/checkpoint/crc32c.h"
#include "core/checkpoint/safetensors_header.h"
#include "core/error.h"
#include "core/shape_text.h"

namespace dsrl {
namespace {

// The format's own bound on its header.
constexpr uint64_t kLargestHeader = 100'000'000;

struct DtypeName {
  at::ScalarType type;
  const char* name;
};
constexpr std::array<DtypeName, 9> kDtypes{{{at::kFloat, "F32"},
                                            {at::kDouble, "F64"},
                                            {at::kHalf, "F16"},
                                            {at::kBFloat16, "BF16"},
                                            {at::kLong, "I64"},
                                            {at::kInt, "I32"},
                                            {at::kShort, "I16"},
                                            {at::kByte, "U8"},
                                            {at::kBool, "BOOL"}}};

const char* dtype_name(at::ScalarType type) {
  for (const DtypeName& dtype : kDtypes) {
    if (dtype.type == type) return dtype.name;
  }
  throw Error("ERR_DSRL_CHECKPOINT_WRITE",
              std::string("safetensors has no dtype for ") + c10::toString(type));
}

[[noreturn]] void damaged(const std::string& path, const std::string& what) {
  throw Error("ERR_DSRL_CHECKPOINT_DAMAGED", path + ": " + what);
}

// Writes little-endian bytes and keeps their checksum.
class ChecksummedFile {
 public:
  explicit ChecksummedFile(const std::string& path)
      : path_(path), file_(path, std::ios::binary | std::ios::trunc) {
    if (!file_) fail();
  }
  void write(const void* data, size_t size) {
    file_.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
    if (!file_) fail();
    checksum_ = crc32c(data, size, checksum_);
  }
  uint32_t close() {
    file_.close();
    if (!file_) fail();
    return checksum_;
  }

 private:
  [[noreturn]] void fail() const {
    throw Error("ERR_DSRL_CHECKPOINT_WRITE", "cannot write " + path_);
  }
  std::string path_;
  std::ofstream file_;
  uint32_t checksum_ = 0;
};

std::string header_text(const NamedTensors& tensors,
                        const std::map<std::string, std::string>& metadata) {
  std::string text = "{";
  if (!metadata.empty()) {
    text += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) {
      if (text.back() != '{') text += ',';
      text += json_string(key) + ":" + json_string(value);
    }
    text += "}";
  }
  uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    if (text.size() > 1) text += ',';
    const uint64_t end = offset + static_cast<uint64_t>(tensor.nbytes());
    text +=
        json_string(name) + ":{\"dtype\":\"" + dtype_name(tensor.scalar_type()) + "\",\"shape\":[";
    for (int64_t i = 0; i < tensor.dim(); ++i) {
      if (i > 0) text += ',';
      text += std::to_string(tensor.size(i));
    }
    text += "],\"data_offsets\":[" + std::to_string(offset) + "," + std::to_string(end) + "]}";
    offset = end;
  }
  text += "}";
  text.append((8 - text.size() % 8) % 8, ' ');  // tensors start at a multiple of eight
  return text;
}

// Number of bytes of an entry, or damaged() where its numbers contradict each other.
uint64_t checked_size(const std::string& path, const std::string& name,
                      const SafetensorsHeader::Entry& entry, at::ScalarType type) {
  // An empty tensor has strides too, and they must fit: a length of zero bounds nothing.
  uint64_t extent = c10::elementSize(type);
  bool empty = false;
  for (const int64_t dimension : entry.shape) {
    const auto length = static_cast<uint64_t>(dimension);
    empty = empty || length == 0;
    if (length != 0 && extent > (uint64_t{1} << 62) / length) {
      damaged(path, "tensor '" + name + "' has an impossible shape " + shape_text(entry.shape));
    }
    extent *= std::max<uint64_t>(length, 1);
  }
  const uint64_t size = empty ? 0 : extent;
  if (entry.end < entry.begin || entry.end - entry.begin != size) {
    damaged(path, "tensor '" + name + "': shape " + shape_text(entry.shape) +
                      " does not match its data_offsets");
  }
  return size;
}

}  // namespace

uint32_t write_safetensors(const std::string& path, const NamedTensors& tensors,
                           const std::map<std::string, std::string>& metadata) {
  const std::string header = header_text(tensors, metadata);
  const uint64_t length = header.size();
  ChecksummedFile file(path);
  file.write(&length, sizeof(length));
  file.write(header.data(), header.size());
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor host = tensor.detach().to(at::kCPU).contiguous();
    file.write(host.const_data_ptr(), host.nbytes());
  }
  return file.close();
}

SafetensorsFile read_safetensors(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw Error("ERR_DSRL_CHECKPOINT_READ", "cannot open " + path);
  const auto file_size = static_cast<uint64_t>(file.tellg());
  file.seekg(0);
  uint64_t length = 0;
  if (file_size < sizeof(length) || !file.read(reinterpret_cast<char*>(&length), sizeof(length))) {
    damaged(path, "too short for a safetensors file (" + std::to_string(file_size) + " bytes)");
  }
  if (length > kLargestHeader || length > file_size - sizeof(length)) {
    damaged(path, "its header claims " + std::to_string(length) + " bytes, the file has " +
                      std::to_string(file_size));
  }
  std::string text(static_cast<size_t>(length), '\0');
  if (!file.read(text.data(), static_cast<std::streamsize>(length)))
    damaged(path, "cannot be read");

  SafetensorsHeader header;
  try {
    header = parse_safetensors_header(text);
  } catch (const std::invalid_argument& error) {
    damaged(path, error.what());
  }

  std::vector<std::pair<uint64_t, std::string>> order;
  for (const auto& [name, entry] : header.tensors) order.emplace_back(entry.begin, name);
  std::sort(order.begin(), order.end(), [&](const auto& a, const auto& b) {
    return std::pair(a.first, header.tensors.at(a.second).end) <
           std::pair(b.first, header.tensors.at(b.second).end);
  });
  const uint64_t data_size = file_size - sizeof(length) - length;
  SafetensorsFile result{{}, header.metadata};
  uint64_t offset = 0;
  for (const auto& [begin, name] : order) {
    const auto& entry = header.tensors.at(name);
    const auto* dtype = std::find_if(kDtypes.begin(), kDtypes.end(),
                                     [&](const DtypeName& d) { return entry.dtype == d.name; });
    if (dtype == kDtypes.end()) {
      damaged(path, "tensor '" + name + "' has dtype " + entry.dtype + ", which is not supported");
    }
    const uint64_t size = checked_size(path, name, entry, dtype->type);
    if (begin != offset) damaged(path, "tensor '" + name + "' leaves a hole or overlaps another");
    if (size > data_size - offset) {
      damaged(path, "truncated: tensor '" + name + "' ends past the end of the file");
    }
    at::Tensor tensor = at::empty(entry.shape, dtype->type);
    if (!file.read(static_cast<char*>(tensor.mutable_data_ptr()),
                   static_cast<std::streamsize>(size))) {
      damaged(path, "truncated in tensor '" + name + "'");
    }
    result.tensors.emplace(name, std::move(tensor));
    offset += size;
  }
  if (offset != data_size) damaged(path, "bytes after the last tensor");
  return result;
}

uint32_t file_crc32c(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error("ERR_DSRL_CHECKPOINT_READ", "cannot open " + path);
  std::vector<char> buffer(1 << 20);
  uint32_t checksum = 0;
  while (file.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) ||
         file.gcount() > 0) {
    checksum = crc32c(buffer.data(), static_cast<size_t>(file.gcount()), checksum);
  }
  return checksum;
}

bool assign_tensors(const NamedTensors& destination,
                    const std::map<std::string, at::Tensor>& source, const std::string& file,
                    const std::string& optional) {
  std::vector<std::string> problems;
  std::set<std::string> known;
  bool has_optional = true;
  for (const auto& [name, tensor] : destination) {
    known.insert(name);
    const auto found = source.find(name);
    if (found == source.end()) {
      if (name == optional) {
        has_optional = false;
      } else {
        problems.push_back("'" + name + "' is missing");
      }
    } else if (found->second.scalar_type() != tensor.scalar_type() ||
               found->second.sizes() != tensor.sizes()) {
      problems.push_back("'" + name + "': expected " + dtype_name(tensor.scalar_type()) + " " +
                         shape_text(tensor.sizes()) + ", found " +
                         dtype_name(found->second.scalar_type()) + " " +
                         shape_text(found->second.sizes()));
    }
  }
  for (const auto& [name, tensor] : source) {
    if (!known.contains(name)) problems.push_back("'" + name + "' is unknown");
  }
  if (!problems.empty()) {
    std::string message = file + ": the tensors do not fit this configuration: ";
    for (size_t i = 0; i < problems.size(); ++i) message += (i > 0 ? "; " : "") + problems[i];
    throw Error("ERR_DSRL_CHECKPOINT_TENSORS", message);
  }
  const at::NoGradGuard no_gradient;
  for (const auto& [name, tensor] : destination) {
    const auto found = source.find(name);
    if (found != source.end()) tensor.copy_(found->second);
  }
  return has_optional;
}

}  // namespace dsrl
