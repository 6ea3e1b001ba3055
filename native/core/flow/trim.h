#pragma once

#include "core/flow/policy_runner.h"

namespace dsrl {

/// Observations `first` to `first + count`, sharing the storage.
NetworkInputs rows_of(const NetworkInputs& inputs, int64_t first, int64_t count);

/// Without the cameras that are masked in every row, and without the columns at the end of the
/// prompts that are padding in every row; one camera and one token are kept. A masked token is
/// attended to by nothing and counts in no position, so the actions differ by rounding alone.
/// A mask that is not on the host is left as it is: to look at it would hold the host.
NetworkInputs trimmed(const NetworkInputs& inputs);

}  // namespace dsrl
