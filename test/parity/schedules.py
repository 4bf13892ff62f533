"""Rates before each step of PyTorch's schedulers with a rate of 1, which `test/optim/schedules.test.ts` has as golden values."""

import torch
from torch.optim import lr_scheduler

from reference import Exchange


def rates(make, steps: int, steps_per_epoch: int = 1) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    answer = []
    for step in range(steps):
        answer.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        if (step + 1) % steps_per_epoch == 0:
            scheduler.step()
    return answer


def schedules() -> dict[str, list[float]]:
    one_cycle, restarts = lr_scheduler.OneCycleLR, lr_scheduler.CosineAnnealingWarmRestarts
    short = {"pct_start": 0.25, "div_factor": 10, "final_div_factor": 100}
    return {
        "one-cycle": rates(lambda o: one_cycle(o, max_lr=1.0, total_steps=20, cycle_momentum=False), 20),
        "one-cycle-2": rates(lambda o: one_cycle(o, max_lr=1.0, total_steps=12, cycle_momentum=False, **short), 12),
        "cosine-restarts": rates(lambda o: restarts(o, T_0=4, T_mult=2, eta_min=0.1), 12),
        "cosine-restarts-equal": rates(lambda o: restarts(o, T_0=5), 10),
        "step": rates(lambda o: lr_scheduler.StepLR(o, step_size=2, gamma=0.5), 18, 3),
        "multi-step": rates(lambda o: lr_scheduler.MultiStepLR(o, milestones=[1, 4], gamma=0.1), 18, 3),
        "exponential": rates(lambda o: lr_scheduler.ExponentialLR(o, gamma=0.9), 9, 3),
    }


if __name__ == "__main__":
    Exchange().answer(schedules())
