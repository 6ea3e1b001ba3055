#pragma once

namespace dsrl::addon {

// How many threads libtorch's operations use. It is one number for the process, but libtorch keeps
// one a thread, which a thread takes at its first operation and then keeps: so a thread that
// computes asks here for a new one.

/// Throws ERR_DSRL_THREADS unless `count` lies in [1, 1024].
void set_torch_threads(int count);

/// As set_torch_threads, unless a number has been set: what somebody asked for is kept.
void set_default_torch_threads(int count);

/// Makes it the calling thread's number; free where nothing has changed.
void apply_torch_threads();

}  // namespace dsrl::addon
