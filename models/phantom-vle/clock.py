"""A fixed number of steps, the learning rate that belongs to each, and how long they took."""
import time

import numpy as np
import torch


def optimizer_of(parameters):
    heavy, plain = [p for p in parameters if p.ndim >= 2], [p for p in parameters if p.ndim < 2]
    return torch.optim.AdamW([{"params": heavy, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}])


class Clock:
    """The rate rises over 30 steps and falls to nothing by the last one."""

    def __init__(self, total, peak):
        self.started, self.cpu, self.total, self.peak, self.steps = time.time(), time.process_time(), total, peak, 0

    def rate(self, optimizer):
        for group in optimizer.param_groups:
            group["lr"] = self.peak * min(1, (self.steps + 1) / 30) * 0.5 * (1 + np.cos(np.pi * self.steps / self.total)) + 1e-6
        self.steps += 1

    def over(self):
        return self.steps >= self.total

    def told(self):
        return {"steps": self.steps, "minutes": round((time.time() - self.started) / 60, 1),
                "cpuMinutes": round((time.process_time() - self.cpu) / 60, 1)}


def step(loss, optimizer, parameters):
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 2.0)
    optimizer.step()
