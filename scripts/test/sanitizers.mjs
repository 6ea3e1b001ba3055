// The settings of the sanitizers' runs.

export const ADDRESS = {
  sanitize: 'address,undefined',
  env: {
    // LeakSanitizer cannot see which of its blocks libtorch, built without it, still holds. A
    // request for more memory than there is must fail as it does elsewhere, and not end the
    // process.
    ASAN_OPTIONS: 'detect_leaks=0:detect_stack_use_after_return=1:allocator_may_return_null=1',
    UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  },
};

/**
 * No suppressions: libtorch is silent while OpenMP, whose barriers are not seen, has one thread.
 */
export const THREAD = { sanitize: 'thread', env: { OMP_NUM_THREADS: '1' } };
