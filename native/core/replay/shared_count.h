#pragma once

#include <atomic>
#include <cstdint>

namespace dsrl {

/// A count that one thread changes while others read it. It is copied as a number is, which an
/// atomic is not: what holds it stays movable.
class SharedCount {
 public:
  SharedCount() = default;
  SharedCount(const SharedCount& other) : value_(other.value_.load()) {}
  SharedCount& operator=(const SharedCount& other) { return *this = other.value_.load(); }
  SharedCount& operator=(int64_t value) {
    value_ = value;
    return *this;
  }
  operator int64_t() const { return value_; }

 private:
  std::atomic<int64_t> value_ = 0;
};

}  // namespace dsrl
