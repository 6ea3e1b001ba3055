#include "core/checkpoint/safetensors_header.h"

#include <cstdio>
#include <stdexcept>

namespace dsrl {
namespace {

// A recursive-descent reader for the few shapes of JSON that a header may have. Depth is bounded
// by the grammar itself, so a hostile file cannot exhaust the stack.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  SafetensorsHeader parse() {
    SafetensorsHeader header;
    bool seen_metadata = false;
    parse_object([&](const std::string& name) {
      if (name == "__metadata__") {
        if (seen_metadata) fail("__metadata__ stands twice");
        seen_metadata = true;
        header.metadata = parse_metadata();
      } else if (!header.tensors.emplace(name, parse_entry()).second) {
        fail("tensor '" + name + "' stands twice");
      }
    });
    skip_space();
    if (at_ != text_.size()) fail("text after the end of the object");
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw std::invalid_argument(what + " (byte " + std::to_string(at_) + " of the header)");
  }

  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) {
      ++at_;
    }
  }
  bool take(char wanted) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  void expect(char wanted) {
    if (!take(wanted)) fail(std::string("expected '") + wanted + "'");
  }

  template <typename Member>
  void parse_object(Member member) {
    expect('{');
    if (take('}')) return;
    do {
      skip_space();
      const std::string name = parse_string();
      expect(':');
      member(name);
    } while (take(','));
    expect('}');
  }

  std::map<std::string, std::string> parse_metadata() {
    std::map<std::string, std::string> metadata;
    parse_object([&](const std::string& name) {
      skip_space();
      if (!metadata.emplace(name, parse_string()).second) fail("'" + name + "' stands twice");
    });
    return metadata;
  }

  SafetensorsHeader::Entry parse_entry() {
    SafetensorsHeader::Entry entry{};
    int seen = 0;
    parse_object([&](const std::string& name) {
      if (name == "dtype" && !(seen & 1)) {
        seen |= 1;
        skip_space();
        entry.dtype = parse_string();
      } else if (name == "shape" && !(seen & 2)) {
        seen |= 2;
        for (const uint64_t size : parse_integers(64)) {
          if (size > uint64_t{1} << 62) fail("a dimension is too large");
          entry.shape.push_back(static_cast<int64_t>(size));
        }
      } else if (name == "data_offsets" && !(seen & 4)) {
        seen |= 4;
        const auto offsets = parse_integers(2);
        if (offsets.size() != 2) fail("data_offsets must hold two numbers");
        entry.begin = offsets[0];
        entry.end = offsets[1];
      } else {
        fail("unexpected key '" + name + "'");
      }
    });
    if (seen != 7) fail("an entry needs dtype, shape and data_offsets");
    return entry;
  }

  std::vector<uint64_t> parse_integers(size_t most) {
    std::vector<uint64_t> values;
    expect('[');
    if (take(']')) return values;
    do {
      if (values.size() == most) fail("too many numbers");
      values.push_back(parse_integer());
    } while (take(','));
    expect(']');
    return values;
  }

  uint64_t parse_integer() {
    skip_space();
    uint64_t value = 0;
    const size_t start = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      if (value > (UINT64_MAX - 9) / 10) fail("a number is too large");
      value = value * 10 + static_cast<uint64_t>(text_[at_++] - '0');
    }
    if (at_ == start) fail("expected a whole number");
    return value;
  }

  std::string parse_string() {
    if (at_ >= text_.size() || text_[at_] != '"') fail("expected a string");
    ++at_;
    std::string value;
    while (true) {
      if (at_ >= text_.size()) fail("the string does not end");
      const char c = text_[at_++];
      if (c == '"') return value;
      if (static_cast<unsigned char>(c) < 0x20) fail("a control character in a string");
      value += c == '\\' ? parse_escape() : std::string(1, c);
    }
  }

  std::string parse_escape() {
    if (at_ >= text_.size()) fail("the string does not end");
    switch (const char c = text_[at_++]) {
      case '"':
      case '\\':
      case '/':
        return std::string(1, c);
      case 'b':
        return "\b";
      case 'f':
        return "\f";
      case 'n':
        return "\n";
      case 'r':
        return "\r";
      case 't':
        return "\t";
      case 'u':
        return parse_code_point();
      default:
        fail("an unknown escape");
    }
  }

  uint32_t parse_hex4() {
    if (text_.size() - at_ < 4) fail("\\u needs four digits");
    uint32_t value = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = text_[at_++];
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) fail("\\u needs four digits");
      value = value * 16 + static_cast<uint32_t>(digit);
    }
    return value;
  }

  std::string parse_code_point() {
    uint32_t point = parse_hex4();
    if (point >= 0xD800 && point < 0xDC00) {  // a surrogate pair
      if (text_.substr(at_, 2) != "\\u") fail("a lone surrogate");
      at_ += 2;
      const uint32_t low = parse_hex4();
      if (low < 0xDC00 || low > 0xDFFF) fail("a lone surrogate");
      point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
    } else if (point >= 0xDC00 && point <= 0xDFFF) {
      fail("a lone surrogate");
    }
    std::string out;
    const auto push = [&](uint32_t byte) { out += static_cast<char>(byte); };
    if (point < 0x80) {
      push(point);
    } else if (point < 0x800) {
      push(0xC0 | point >> 6), push(0x80 | (point & 0x3F));
    } else if (point < 0x10000) {
      push(0xE0 | point >> 12), push(0x80 | (point >> 6 & 0x3F)), push(0x80 | (point & 0x3F));
    } else {
      push(0xF0 | point >> 18), push(0x80 | (point >> 12 & 0x3F));
      push(0x80 | (point >> 6 & 0x3F)), push(0x80 | (point & 0x3F));
    }
    return out;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view text) {
  return HeaderParser(text).parse();
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\u%04x", static_cast<unsigned>(c));
      out += escape;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace dsrl
