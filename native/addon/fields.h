#pragma once

#include <napi.h>

#include <map>
#include <string>
#include <vector>

namespace dsrl::addon {

// Fields of a JavaScript object. One that is missing or mistyped is a TypeError that names it.

[[noreturn]] inline void mistyped(const Napi::Object& object, const std::string& name,
                                  const std::string& expected) {
  throw Napi::TypeError::New(object.Env(), name + " must be " + expected);
}

inline double number(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsNumber()) mistyped(object, name, "a number");
  return value.As<Napi::Number>().DoubleValue();
}

inline int64_t integer(const Napi::Object& object, const char* name) {
  return static_cast<int64_t>(number(object, name));
}

inline bool boolean(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsBoolean()) mistyped(object, name, "a boolean");
  return value.As<Napi::Boolean>().Value();
}

inline std::string text(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsString()) mistyped(object, name, "a string");
  return value.As<Napi::String>().Utf8Value();
}

inline Napi::Object object_field(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsObject()) mistyped(object, name, "an object");
  return value.As<Napi::Object>();
}

template <typename T>
std::vector<T> numbers(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsArray()) mistyped(object, name, "a list of numbers");
  const auto array = value.As<Napi::Array>();
  std::vector<T> result;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value item = array.Get(i);
    if (!item.IsNumber()) mistyped(object, name, "a list of numbers");
    result.push_back(static_cast<T>(item.As<Napi::Number>().DoubleValue()));
  }
  return result;
}

inline std::vector<std::string> texts(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsArray()) mistyped(object, name, "a list of strings");
  const auto array = value.As<Napi::Array>();
  std::vector<std::string> result;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value item = array.Get(i);
    if (!item.IsString()) mistyped(object, name, "a list of strings");
    result.push_back(item.As<Napi::String>().Utf8Value());
  }
  return result;
}

template <typename T>
T choice(const Napi::Object& object, const char* name, const std::map<std::string, T>& choices) {
  const Napi::Value value = object.Get(name);
  if (value.IsString()) {
    const auto found = choices.find(value.As<Napi::String>().Utf8Value());
    if (found != choices.end()) return found->second;
  }
  std::string expected = "one of";
  for (const auto& [key, unused] : choices) expected += " '" + key + "'";
  mistyped(object, name, expected);
}

}  // namespace dsrl::addon
