#pragma once

#include <napi.h>

namespace dsrl::addon {

/// readSafetensors(file): { name: tensor }, and writeSafetensors(file, { name: tensor }).
void register_tensor_files(Napi::Env env, Napi::Object exports);

}  // namespace dsrl::addon
