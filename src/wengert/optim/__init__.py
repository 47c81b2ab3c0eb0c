"""Optimisers, which change parameters in place by their gradients; learning rates, clipping and averages beside them.

opt = wg.optim.Adam(model.parameters(), lr=1e-3)
opt.zero_grad()
loss.backward()
opt.step()
"""

from .adam import LAMB as LAMB, Adam as Adam, AdamW as AdamW, Lion as Lion, NAdam as NAdam
from .adaptive import AdaDelta as AdaDelta, AdaGrad as AdaGrad, RMSprop as RMSprop
from .averaging import ExponentialMovingAverage as ExponentialMovingAverage
from .clipping import clip_grad_norm as clip_grad_norm, clip_grad_value as clip_grad_value
from .lbfgs import LBFGS as LBFGS
from .optimizer import Optimizer as Optimizer
from .schedules import (
    CosineAnnealingLR as CosineAnnealingLR,
    CosineAnnealingWarmRestarts as CosineAnnealingWarmRestarts,
    ExponentialLR as ExponentialLR,
    LambdaLR as LambdaLR,
    LinearLR as LinearLR,
    MultiStepLR as MultiStepLR,
    OneCycleLR as OneCycleLR,
    ReduceLROnPlateau as ReduceLROnPlateau,
    Schedule as Schedule,
    SequentialLR as SequentialLR,
    StepLR as StepLR,
)
from .sgd import SGD as SGD

Adadelta, Adagrad = AdaDelta, AdaGrad  # PyTorch's names
