#pragma once

#include <string>

#include "core/flow/frozen_policy.h"

namespace dsrl {

/// `debug sample`: runs the flow alone, without pre- or post-processing, on the tensors of a
/// safetensors file, and writes `actions` F32 [R, H, D] as policy.pt gives them.
///
/// The inputs are policy.pt's by name: images F32 [B, N, 3, S, S], image_masks BOOL [B, N], tokens
/// I64 [B, L], token_mask BOOL [B, L], state F32 [B, D], noise F32 [R, H, D], R a multiple of B.
/// Throws ERR_DSRL_OBSERVATION that names missing, unknown and misshapen tensors, what the reader
/// and the writer of safetensors throw, and what FrozenPolicy::sample throws.
void sample_file(const FrozenPolicy& policy, const std::string& inputs, const std::string& out,
                 int64_t num_steps = 0, const StopRequest& stop = {});

}  // namespace dsrl
