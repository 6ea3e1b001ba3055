#pragma once

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace dsrl::test {

/// The JSON of the fixtures: just enough of a reader for files that we wrote ourselves.
struct Json {
  double number = 0;  // true is 1, false and null are 0
  std::string text;
  std::vector<Json> items;
  std::map<std::string, Json> members;

  const Json& operator[](const std::string& name) const { return members.at(name); }
  const Json& operator[](size_t index) const { return items.at(index); }
  std::vector<double> numbers() const {
    std::vector<double> all;
    for (const Json& item : items) all.push_back(item.number);
    return all;
  }

  static Json read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("cannot open " + path);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const char* at = text.c_str();
    return parse(at);
  }

 private:
  static void skip(const char*& at) { at += std::string_view(at).find_first_not_of(" \n\r\t,:"); }

  static Json parse(const char*& at) {
    skip(at);
    Json value;
    if (*at == '{') {
      for (skip(++at); *at != '}'; skip(at)) {
        const std::string name = parse(at).text;
        value.members.emplace(name, parse(at));
      }
      ++at;
    } else if (*at == '[') {
      for (skip(++at); *at != ']'; skip(at)) value.items.push_back(parse(at));
      ++at;
    } else if (*at == '"') {
      while (*++at != '"') value.text += *at;
      ++at;
    } else if (*at == 't' || *at == 'f' || *at == 'n') {
      value.number = *at == 't';
      while (*at >= 'a' && *at <= 'z') ++at;
    } else {
      char* end = nullptr;
      value.number = std::strtod(at, &end);
      if (end == at) throw std::runtime_error("not JSON: " + std::string(at).substr(0, 20));
      at = end;
    }
    return value;
  }
};

}  // namespace dsrl::test
