"""What is fitted to vectors after training: probes, calibration, the guard. Plain numbers in, plain numbers out."""
import numpy as np
import torch
import torch.nn.functional as F


def logistic(x, y, penalty):
    """Weights and bias of a logistic regression, convex, so the same on every machine."""
    x, y = torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.float64)
    w = torch.zeros(x.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([w], max_iter=200, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(x @ w[:-1] + w[-1], y) + penalty * w[:-1].square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return w[:-1].detach().numpy(), float(w[-1])


def platt(logits, truth):
    """Slope and intercept; truth is pulled to (n + 1) / (n + 2) as Platt did, so that few examples do not make certainty."""
    truth = np.asarray(truth, float)
    p, n = truth.sum(), (1 - truth).sum()
    soft = np.where(truth > 0, (p + 1) / (p + 2), 1 / (n + 2))
    w, b = logistic(np.asarray(logits, float)[:, None], soft, 1e-6)
    return float(w[0]), b


def mahalanobis(features, shrink=0.02, keep=0.0):
    """Mean and whitening of features [phantoms, values]: eigenvectors of their covariance, small variances lifted."""
    mean = features.mean(0)
    values, vectors = np.linalg.eigh(np.cov((features - mean).T))
    lifted = values + shrink * np.median(values) + keep
    return mean, (vectors / np.sqrt(lifted)).T


def distances(features, mean, whitening):
    return np.linalg.norm((features - mean) @ whitening.T, axis=1)
