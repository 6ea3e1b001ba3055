#pragma once

#include <napi.h>

#include "core/env/libero.h"

namespace dsrl::addon {

/// Options of a LIBERO backend as lib/native/libero.ts gives them: plain objects, lists and numbers
/// under the names of LiberoOptions, and `model` with bundle.json's parts.
LiberoOptions libero_options(const Napi::Object& options);

}  // namespace dsrl::addon
