#pragma once

namespace dsrl::addon {

// How many threads libtorch's operations use. It is one number for the process, but libtorch keeps
// one a thread, which a thread takes at its first operation and then keeps: so a thread that
// computes asks here for a new one.

/// Throws ERR_DSRL_THREADS unless `count` lies in [1, 1024].
void set_torch_threads(int count);

/// Where nobody asks for another number: a core of `cores` is left to the event loop, since when
/// every one computes, the barriers within operations spin against it.
void set_default_torch_threads(int cores);

/// Threads that share a learner's update. By default all cores: they meet three times an update,
/// asleep, and the event loop finds one when it wants it.
int update_threads();

/// Makes it the calling thread's number; free where nothing has changed.
void apply_torch_threads();

}  // namespace dsrl::addon
