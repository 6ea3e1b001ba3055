"""An independent update in plain PyTorch, and the tools that hold the native learner against it.

Written from `replay_updates.md` and `dsrl.md` alone, in the plainest way: no batching tricks,
autograd, torch.optim.Adam. It shares no code with the native learner, so that a mistake would have
to be made twice to go unseen. Needs torch and nothing else. Run from the folder `python/`:

    python -m reference.make_case --out DIR               # weights, batches, noise of scenarios
    python -m reference.sac_update --agent F ... --out D  # what debug replay-updates should write
    python -m reference.compare CASE REFERENCE CANDIDATE  # exit code 0 if the two agree
    python -m reference.calibrate                         # where the tolerances come from
    python -m unittest reference.test_sac_update          # checks the reference itself
"""
