"""Muon for matrices and convolution kernels (orthogonalised momentum), Adam for everything else.

An update has about the size of one of Adam's, so that one learning rate serves both.
"""

from collections.abc import Callable, Iterable
from typing import Any

from platemark.engine.training.libraries import Tensor, torch

_ADAM_ONLY = ("conv_in", "conv_out", "time_emb")
_DECAY = 1e-3


def orthogonal(batch: Tensor, steps: int) -> Tensor:
    """The nearest orthogonal matrices of [n, rows, columns], roughly, by Newton-Schulz iteration."""
    wide = batch.shape[1] <= batch.shape[2]
    x = batch.bfloat16() if wide else batch.bfloat16().transpose(1, 2)
    x = x / (x.float().norm(dim=(1, 2), keepdim=True) + 1e-7).bfloat16()
    for _ in range(steps):
        a = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * (a @ a)) @ x
    return (x if wide else x.transpose(1, 2)).float()


class Muon:
    """An optimiser whose work several processes share.

    With `share`, every process must hold the same gradients: each one orthogonalises its part of the matrices and the
    results meet in the shared memory `share`; `meet` waits for the others.
    """

    def __init__(
        self,
        named: Iterable[tuple[str, Tensor]],
        *,
        rank: int = 0,
        world: int = 1,
        share: Tensor | None = None,
        meet: Callable[[], object] | None = None,
        steps: int = 4,
    ):
        self.matrices: list[Tensor] = []
        self.others: list[Tensor] = []
        for name, parameter in named:
            if parameter.requires_grad:
                (self.matrices if _is_matrix(name, parameter) else self.others).append(parameter)
        self.rank, self.steps, self.meet, self.count = rank, steps, meet, 0
        total = sum(p.numel() for p in self.matrices)
        self.share = torch.empty(total) if share is None else share[:total]
        self.momenta = [torch.zeros_like(p) for p in self.matrices]
        self.means = [torch.zeros_like(p) for p in self.others]
        self.squares = [torch.zeros_like(p) for p in self.others]
        self.mine = _portions(self.matrices, world)[rank]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One update from the gradients in the parameters."""
        self.count += 1
        if self.matrices:
            self._matrices(rate)
        if self.others:
            self._others(rate)

    def state(self) -> dict[str, Any]:
        """What `restore` takes."""
        return {"momenta": self.momenta, "means": self.means, "squares": self.squares, "count": self.count}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a saved state of the same parameters."""
        for ours, theirs in (
            (self.momenta, state["momenta"]),
            (self.means, state["means"]),
            (self.squares, state["squares"]),
        ):
            for mine, saved in zip(ours, theirs, strict=True):
                mine.copy_(saved)
        self.count = state["count"]

    def _matrices(self, rate: float) -> None:
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in self.matrices]
        torch._foreach_lerp_(self.momenta, gradients, 0.05)
        views = [
            view.view(p.shape[0], -1)
            for view, p in zip(self.share.split([p.numel() for p in self.matrices]), self.matrices, strict=True)
        ]
        for (rows, columns), group in self.mine.items():
            stack = torch.stack([gradients[i].lerp(self.momenta[i], 0.95).reshape(rows, columns) for i in group])
            for index, update in zip(group, orthogonal(stack, self.steps), strict=True):
                views[index].copy_(update * (0.2 * max(rows, columns) ** 0.5))
        if self.meet:
            self.meet()
        torch._foreach_mul_(self.matrices, 1 - rate * _DECAY)
        torch._foreach_add_(
            self.matrices, [v.view(p.shape) for v, p in zip(views, self.matrices, strict=True)], alpha=-rate
        )

    def _others(self, rate: float) -> None:
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in self.others]
        torch._foreach_lerp_(self.means, gradients, 0.1)
        torch._foreach_mul_(self.squares, 0.99)
        torch._foreach_addcmul_(self.squares, gradients, gradients, 0.01)
        scale = torch._foreach_sqrt(self.squares)
        torch._foreach_div_(scale, (1 - 0.99**self.count) ** 0.5)
        torch._foreach_add_(scale, 1e-8)
        torch._foreach_mul_(self.others, 1 - rate * _DECAY)
        torch._foreach_addcdiv_(self.others, self.means, scale, -rate / (1 - 0.9**self.count))


def _is_matrix(name: str, parameter: Tensor) -> bool:
    small = parameter.ndim not in (2, 4) or min(parameter.shape[0], parameter[0].numel()) < 16
    return not small and not any(part in name for part in _ADAM_ONLY)


def _portions(matrices: list[Tensor], world: int) -> list[dict[tuple[int, int], list[int]]]:
    """Who orthogonalises what: for each process the indices by shape, with equal work for all."""
    shapes = [(p.shape[0], p[0].numel()) for p in matrices]
    load = [0] * world
    portions: list[dict[tuple[int, int], list[int]]] = [{} for _ in range(world)]
    for index in sorted(range(len(shapes)), key=lambda i: (-_work(shapes[i]), i)):
        rank = load.index(min(load))
        load[rank] += _work(shapes[index])
        portions[rank].setdefault(shapes[index], []).append(index)
    return portions


def _work(shape: tuple[int, int]) -> int:
    return min(shape) ** 2 * max(shape)
